"""How sharp the minima of networks are."""

from __future__ import annotations

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.cells import Measured
from anomaly_cli.report.notation import Format
from anomaly_cli.report.table import Column, Priority, Report, Row, Table, build, made, stored
from anomaly_cli.report.tables import measured_of, rows_of

KIND = schema.SHARPNESS
MODELS = KIND.groups["models"]


def tables(sharpness: Artifact) -> Report:
    """Return means over folds, and what each fold has, for programs."""
    return [_summary(sharpness), *(_all_of(sharpness, name) for name in KIND.groups)]


def _summary(sharpness: Artifact) -> Table:
    rises, curvatures, models = (sharpness.groups[name] for name in ("rises", "curvatures", "models"))
    rows = [
        _mean(f"rise of the loss within {100 * radius:.3g} %", rises["rise"][rises["radius"] == radius])
        for radius in np.unique(rises["radius"])
    ]
    rows += [
        _mean(f"Hessian eigenvalue {rank}", curvatures["curvature"][curvatures["rank"] == rank])
        for rank in np.unique(curvatures["rank"])
    ]
    rows += [_mean("loss", models["loss"]), _mean("loss, unseen events", models["loss_unseen"])]
    fields = [
        made(Column("quantity", "of the minimum", priority=Priority.KEY, holds=str), lambda row: str(row["quantity"])),
        made(
            Column("value", "mean", meaning="mean and spread over folds", format=Format(".4g"), holds=Measured),
            measured_of("value", "spread"),
        ),
    ]
    n = len(models["fold"])
    notes = [
        f"Of the first model of each of {n} folds, on what trained it, observed against template; +- is the spread over"
        " folds. A distance is relative to the length of all weights. Only minima of the same events can be compared."
    ]
    return build("sharpness", "Sharpness of the networks' minima", fields, rows, notes)


def _mean(quantity: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Row:
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return {"quantity": quantity, "value": float(values.mean()), "spread": spread}


def _all_of(sharpness: Artifact, name: str) -> Table:
    group = KIND.groups[name]
    fields = [stored(group, column, column, priority=Priority.DATA) for column in group.columns]
    return build(f"sharpness_{name}", "", fields, rows_of(sharpness.groups[name]))

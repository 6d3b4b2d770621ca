"""What `anomaly run` ends with: short tables, made from the artifacts alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError

REGION_NAMES = {"sb1": "lower side-band", "sr": "signal region", "sb2": "upper side-band"}
NOT_MEASURED = "not measured"


def summarise_run(run: RunDirectory) -> RenderableType:
    """Return the tables of a finished run."""
    split = read_split(run)
    significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE)
    closure = read_artifact(run.artifact(schema.CLOSURE), schema.CLOSURE)
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES)
    _check_chain([(template, split), (scores, template), (significance, scores), (closure, template)])
    blank = Text("")
    parts = [_title(split, template), region_table(run, split), *significance_tables(significance)]
    return Group(*(line for part in (*parts, closure_table(closure)) for line in (part, blank)))


def _check_chain(links: Iterable[tuple[Artifact, Artifact]]) -> None:
    for made, source in links:
        if made.provenance.inputs[source.kind.name] != source.digest:
            raise ArtifactError(
                f"{made.path}: was made from another {source.path.name} than lies beside it; bring the run up to date"
                f" with 'anomaly run --run {made.path.parent} --overwrite'"
            )


def _title(split: Artifact, template: Artifact) -> Text:
    regions = read_regions(split)
    method, seed = template.provenance.settings["method"], template.provenance.seed
    return Text(f"Signal region {regions.sr.text} TeV, template {method}, seed {seed}", style="bold")


def _table(title: str, columns: Iterable[str], caption: str = "") -> Table:
    table = Table(
        title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left", caption_justify="left"
    )
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table


def region_table(run: RunDirectory, split: Artifact) -> Table:
    """Return events per region and, where truth is known, the naive significance of the injected signal."""
    truth = read_truth(run, split)
    columns = ["region", "TeV", "events"] + (["of these signal (truth)", "naive S/sqrt(B) (truth)"] if truth else [])
    table = _table("Events", columns)
    for name, window in read_regions(split).named().items():
        events = split.groups[name]["event_id"]
        row = [REGION_NAMES[name], window.text, str(len(events))]
        if truth is not None:
            n_signal = int(truth.is_signal[events].sum())
            n_background = len(events) - n_signal
            ratio = n_signal / math.sqrt(n_background) if n_background else math.inf
            row += [str(n_signal), f"{ratio:.2f}" if name == "sr" else ""]
        table.add_row(*row)
    return table


def significance_tables(significance: Artifact) -> list[RenderableType]:
    """Return the side-band expectation and one row per cut."""
    fit = significance.groups["mass_fit"]
    rows = _rows(significance.groups["tests"])
    measured = not any(math.isnan(row["closure_uncertainty"]) or math.isnan(row["overdispersion"]) for row in rows)
    contents = "all measured uncertainties" if measured else "statistics and normalisation only"
    table = _table(
        f"Counting experiment; local Z: {contents}",
        ["background efficiency", "expected", "observed", "Z", "p0"],
        f"Template closure uncertainty: {_measured(rows, 'closure_uncertainty')}."
        f" k-fold over-dispersion: {_measured(rows, 'overdispersion')}.",
    )
    for row in rows:
        table.add_row(
            f"{100 * row['background_efficiency']:g} %",
            f"{row['n_expected']:.1f} +- {row['uncertainty']:.1f}",
            str(row["n_observed"]),
            f"{row['z']:.2f}",
            f"{row['p0']:.2g}",
        )
    expectation = Text(
        f"Side-band fit: {float(fit['n_expected']):.0f} +- {float(fit['uncertainty']):.0f} background events expected"
        f" in the signal region before any cut (goodness of fit p = {float(fit['p_value']):.2f})"
    )
    if float(fit["p_value"]) < 0.01:
        expectation.append("; the fit is poor: narrow the side-bands with --side-bands", style="bold red")
    return [expectation, table]


def closure_table(closure: Artifact) -> Table:
    """Return the closure figures."""
    table = _table(
        "Closure of the template",
        ["compared with", "AUC (0.5 is perfect)", "untouched side-bands"],
        "AUC of boosted trees that try to tell the template from background.",
    )
    for row in _rows(closure.groups["checks"]):
        name = f"{row['check']} (truth)" if row["uses_truth"] else str(row["check"])
        weak = " (too near 0.5 to prove closure)" if row["baseline_auc"] < 0.55 else ""
        table.add_row(name, f"{row['auc']:.4f} +- {row['auc_error']:.4f}", f"{row['baseline_auc']:.4f}{weak}")
    return table


def distance_table(closure: Artifact) -> Table:
    """Return the distances between template and background, beside those of untouched side-band events."""
    counts = closure.groups["counts"]
    caption = (
        f"{counts['n_template']} template events from {counts['n_sources']:.0f} independent ones; at most"
        f" {100 * counts['clipped_training']:.2f} % of a feature outside the spline range in training and"
        f" {100 * counts['clipped_template']:.2f} % held at the edge of its range in the template."
        " Lengths in standard deviations; FPD is their square."
    )
    columns = ["compared with", "points", "Wasserstein, worst feature", "sliced", "correlation", "FPD", "KPD"]
    table = _table("Distances", columns, caption)
    for row in _rows(closure.groups["distances"]):
        table.add_row(
            str(row["check"]),
            str(row["points"]),
            f"{np.max(row['wasserstein']):.3f}",
            f"{row['sliced_wasserstein']:.3f}",
            f"{row['correlation']:.3f}",
            f"{row['fpd']:.4f} +- {row['fpd_error']:.4f}",
            f"{row['kpd']:.4f} +- {row['kpd_error']:.4f}",
        )
    return table


def evaluation_table(evaluation: Artifact) -> Table:
    """Return the significance improvement per method and background efficiency."""
    counts = evaluation.groups["counts"]
    table = _table(
        "Significance improvement (truth)",
        ["template", "background efficiency", "signal efficiency", "SIC"],
        f"On {int(counts['n_background'])} reference background and {int(counts['n_signal'])} unused signal events.",
    )
    for row in _rows(evaluation.groups["sic"]):
        table.add_row(
            str(row["method"]),
            f"{100 * row['background_efficiency']:g} %",
            f"{row['signal_efficiency']:.4f}",
            f"{row['sic']:.2f}",
        )
    return table


def _rows(columns: Any) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, values, strict=True)) for values in zip(*(columns[n] for n in names), strict=True)]


def _measured(rows: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows]
    return NOT_MEASURED if any(math.isnan(value) for value in values) else ", ".join(f"{v:.3g}" for v in values)


def cutflow_table(split: Artifact) -> Table:
    """Return how many events each step of the split left."""
    table = _table("Cutflow", ["step", "events left"])
    for row in _rows(split.groups["cutflow"]):
        table.add_row(str(row["step"]), str(row["n_events"]))
    return table

"""What each training of a template method came to."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.notation import COUNT, fixed
from anomaly_cli.report.table import Column, Priority, Report, build, made
from anomaly_cli.report.tables import rows_of

KIND = schema.TEMPLATE_MODEL


@dataclass(frozen=True)
class _Training:
    """The validation losses of one part, by epoch."""

    part: str
    losses: dict[int, float]

    @property
    def best(self) -> int:
        return min(self.losses, key=lambda epoch: self.losses[epoch])


def tables(model: Artifact) -> Report:
    """Return one row per training; nothing for methods without."""
    rows = rows_of(model.groups["training"])
    trainings = [
        _Training(part, {int(row["epoch"]): float(row["validation_loss"]) for row in rows if row["part"] == part})
        for part in dict.fromkeys(str(row["part"]) for row in rows)
    ]
    if not trainings:
        return []
    loss = fixed(4)
    fields = [
        made(Column("part", "part", priority=Priority.KEY, holds=str), lambda training: training.part),
        made(
            Column("epochs", "epochs", format=COUNT, priority=Priority.LOW, holds=int),
            lambda training: max(training.losses),
        ),
        made(
            Column("best_epoch", "best epoch", format=COUNT, priority=Priority.HIGH, holds=int),
            lambda training: training.best,
        ),
        made(
            Column("loss_before", "validation loss before", meaning="mean loss per held-out event", format=loss),
            lambda training: training.losses[min(training.losses)],
        ),
        made(
            Column("loss_best", "best", meaning="the smallest validation loss", format=loss, priority=Priority.HIGH),
            lambda training: training.losses[training.best],
        ),
    ]
    notes = [
        "The best epoch is kept. Where it is 0, training did not improve on the start: a transport is then the identity"
        " and the scaling of the features alone makes the template."
    ]
    return [build("training", "Training", fields, trainings, notes)]

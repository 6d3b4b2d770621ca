"""What is read from the artifacts of a run, checked to belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.events import Events
from anomaly_cli.core.windows import Regions, Window


@dataclass(frozen=True)
class Truth:
    """Truth of a run: labels of the observed events by id, and the events held back."""

    is_signal: npt.NDArray[np.bool_]
    reference: Events
    reference_is_signal: npt.NDArray[np.bool_]
    digest: str

    def background(self, window: Window) -> Events:
        """Return held-back background events in a window."""
        return self.reference.take(~self.reference_is_signal & window.contains(self.reference.mjj))

    def signal(self, window: Window) -> Events:
        """Return unused signal events in a window."""
        return self.reference.take(self.reference_is_signal & window.contains(self.reference.mjj))


def read_regions(split: Artifact) -> Regions:
    """Return the mass windows of a split artifact."""
    columns = split.groups["windows"]
    windows = {
        str(name): Window(float(low), float(high))
        for name, low, high in zip(columns["name"], columns["low"], columns["high"], strict=True)
    }
    return Regions(**windows)


def read_split(run: RunDirectory) -> Artifact:
    """Return the split artifact of a run."""
    return read_artifact(run.artifact(schema.SPLIT), schema.SPLIT)


def read_truth(run: RunDirectory, split: Artifact) -> Truth | None:
    """Return the truth of a run, or None where its data have no labels.

    Raises:
        ArtifactError: where the truth belongs to another split.
    """
    path = run.artifact(schema.TRUTH)
    if not split.groups["origin"]["has_truth"]:
        return None
    if not path.exists():
        raise ArtifactError(f"{path}: no such file, though the data have labels; delete {split.path} and split again")
    truth = read_artifact(path, schema.TRUTH)
    if truth.provenance != split.provenance:
        raise ArtifactError(f"{path}: belongs to another split than {split.path.name}; run 'anomaly split' again")
    return Truth(
        is_signal=truth.groups["observed"]["is_signal"],
        reference=truth.events("reference"),
        reference_is_signal=truth.groups["reference"]["is_signal"],
        digest=truth.digest,
    )


def read_template(run: RunDirectory, split: Artifact) -> Artifact:
    """Return the template of a run.

    Raises:
        ArtifactError: where it was made from another split.
    """
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE)
    if template.provenance.inputs["split"] != split.digest:
        raise ArtifactError(f"{template.path}: was made from another split; run 'anomaly template --overwrite' first")
    return template

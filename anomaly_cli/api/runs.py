"""A finished run, read from its directory; what is blinded stays blinded."""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.api.results import Frames
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report.render import html
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.summary import summarise_run
from anomaly_cli.report.table import Report
from anomaly_cli.stages.blinding import hides_region
from anomaly_cli.stages.significance import read_significance


class Run:
    """A run directory.

    Args:
        directory: its path.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = RunDirectory(directory)

    def artifact(self, kind: Kind | str) -> Artifact:
        """Return an artifact, checked to belong to the others.

        Args:
            kind: its kind, by name as `scores`.

        Raises:
            ArtifactError: where it is missing or belongs to others.
            ConfigError: where it tells of a signal region that is blinded, or for an unknown kind.
        """
        if isinstance(kind, str):
            if kind not in schema.KINDS:
                raise ConfigError(f"no kind of artifact is called '{kind}'; {nearest(kind, schema.KINDS)}")
            kind = schema.KINDS[kind]
        artifact = self.directory.read(kind)
        if hides_region(self.directory, artifact):
            raise ConfigError(
                f"{artifact.path}: tells of a signal region that is blinded; 'anomaly significance --unblind --run"
                f" {self.directory.path}' looks at it, and that is recorded"
            )
        return artifact

    @property
    def scores(self) -> Frames:
        """Scored observed and template events."""
        groups = self.artifact(schema.SCORES).groups
        parts = {name: groups[name] for name in ("observed", "template")}
        kinds = [name for name, columns in parts.items() for _ in columns["score"]]
        joined = {
            name: [x for columns in parts.values() for x in columns[name].tolist()] for name in groups["observed"]
        }
        return Frames({"events": kinds, **joined})

    @property
    def significance(self) -> Frames:
        """One row per cut: counts, expectation, significance."""
        if not self.directory.has(schema.SIGNIFICANCE):
            self.artifact(schema.SCORES)  # says so where the region is blinded, so that nothing was counted
        read_significance(self.directory)
        return Frames(_scalars(self.artifact(schema.SIGNIFICANCE).groups["tests"]))

    @property
    def closure(self) -> Frames:
        """One row per closure check."""
        return Frames(_scalars(self.directory.read(schema.CLOSURE).groups["checks"]))

    @property
    def report(self) -> Report:
        """The tables that `anomaly summary` prints."""
        return summarise_run(self.directory)

    def __repr__(self) -> str:
        return f"<Run {self.directory.path}>"

    def _repr_html_(self) -> str:
        return html.render(self.report, About(f"summary --run {self.directory.path}", {}))


def _scalars(columns: Arrays) -> dict[str, list[object]]:
    return {name: array.tolist() for name, array in columns.items() if array.ndim == 1 and name != "workspace"}


def open_run(directory: str | Path) -> Run:
    """Return a run, read from its directory.

    Raises:
        ArtifactError: where there is none.
    """
    path, run = Path(directory), RunDirectory(Path(directory))
    if not run.has(schema.SPLIT):
        raise ArtifactError(
            f"{path}: holds no run; make one with 'anomaly run --run {run.quoted} --signal-region 3.3-3.7'"
        )
    return Run(path)

"""What pictures are drawn from: the artifacts of a run or of a scan, without anything that is hidden.

A picture cannot show by mistake what is blinded: the groups that tell of a blinded signal region are taken out of the
artifacts before any picture is handed them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact, read_artifact
from anomaly_cli.artifacts.unblinding import INPUT, NOT_NEEDED, require_record
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.report.contents import RESULTS, find_results
from anomaly_cli.report.ranking import ranking_of

Hides: TypeAlias = Callable[[RunDirectory, Artifact], bool]
"""Says whether what an artifact tells of its signal region may not be shown."""
OF_RUN = (
    *(schema.SPLIT, schema.TRUTH, schema.TEMPLATE_MODEL, schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE),
    *(
        schema.CLOSURE,
        schema.EVALUATION,
        schema.EXPLANATION,
        schema.VALIDATION,
        schema.OVERDISPERSION,
        schema.PERMUTATION,
    ),
    *(schema.BUMP, schema.LIMITS, schema.GLOBAL, schema.CALIBRATION, schema.INJECTION),
    schema.SENSITIVITY,
    *(schema.MORPH_MODEL, schema.MORPH),
)
"""Kinds that a directory may hold and a picture may need."""
SCAN_RESULT = "scan_result.h5"
"""What a collected scan is called in its directory."""
TAGS = {True: "simulation", False: "data"}
"""What stands beside the name of the program, by whether there are labels; `--tag` says anything else."""


@dataclass(frozen=True)
class Sources:
    """What pictures are drawn from.

    Attributes:
        artifacts: by kind, without what is hidden.
        reasons: why a kind cannot be used, by kind; what is not named is not there.
        is_blinded: whether anything was taken out.
        tag: what stands beside the name of the program.
        about: what the pictures are of, in a few words.
    """

    artifacts: Mapping[str, Artifact]
    reasons: Mapping[str, str] = field(default_factory=dict)
    is_blinded: bool = False
    tag: str = ""
    about: str = ""

    def group(self, kind: Kind, name: str) -> Arrays:
        """Return the columns of a group; none where it is not there or hidden."""
        artifact = self.artifacts.get(kind.name)
        return {} if artifact is None else artifact.groups.get(name, {})

    def has(self, kind: Kind, name: str) -> bool:
        """Return whether a group is there and may be shown."""
        return bool(self.group(kind, name))


def of_directory(directory: Path, hides: Hides, tag: str | None = None) -> Sources:
    """Return what a directory holds: a collected scan, or a run, a morph or part of one.

    Args:
        directory: its path.
        hides: says what may not be shown.
        tag: what stands beside the name of the program; None for what the data are.

    Raises:
        ArtifactError: where it is not there, holds nothing that is known, or a scan that cannot be read.
    """
    if not directory.is_dir():
        raise ArtifactError(f"{directory}: no such directory; check the path given to --run")
    if (directory / SCAN_RESULT).exists():
        scan = read_artifact(directory / SCAN_RESULT, schema.SCAN)
        return of_artifact(scan, tag or "", f"scan of {len(scan.groups['points']['low'])} points")
    found = of_run(RunDirectory(directory), hides, tag)
    if not found.artifacts and not found.reasons:
        raise ArtifactError(
            f"{directory}: holds no artifacts; name the directory of a run, of a morph, or of a scan after"
            " 'anomaly scan collect'"
        )
    return found


def of_artifact(artifact: Artifact, tag: str = "", about: str = "") -> Sources:
    """Return one artifact that may be shown as it is."""
    return Sources({artifact.kind.name: artifact}, tag=tag, about=about)


def of_run(run: RunDirectory, hides: Hides, tag: str | None = None) -> Sources:
    """Return whatever a run directory holds, finished or not, as far as it may be shown.

    Args:
        run: the directory.
        hides: says what may not be shown.
        tag: what stands beside the name of the program; None for what the data are.
    """
    found, reasons = _read(run)
    shown: dict[str, Artifact] = {}
    for name, artifact in found.items():
        try:
            is_hidden = hides(run, artifact)
        except ArtifactError as error:  # nobody can know
            reasons[name], is_hidden = str(error), True
        shown[name] = _stripped(artifact) if is_hidden else artifact
    is_blinded = any(len(shown[name].groups) < len(artifact.groups) for name, artifact in found.items())
    split = found.get(schema.SPLIT.name)
    known = "" if split is None else TAGS[bool(split.groups["origin"]["has_truth"])]
    given = known if tag is None else tag
    return Sources(shown, reasons, is_blinded, given, _about(found))


def _read(run: RunDirectory) -> tuple[dict[str, Artifact], dict[str, str]]:
    """Return the artifacts that can be used, and why others cannot."""
    found: dict[str, Artifact] = {}
    reasons: dict[str, str] = {}
    for kind in OF_RUN:
        if not run.has(kind):
            continue
        try:
            artifact = run.read(kind)
            if artifact.provenance.inputs.get(INPUT, NOT_NEEDED) != NOT_NEEDED:
                require_record(run, run.read(schema.SPLIT), artifact)
        except ArtifactError as error:
            reasons[kind.name] = str(error)
        else:
            found[kind.name] = artifact
    if schema.SIGNIFICANCE.name in reasons:  # what was made from it tells of it
        for kind in (schema.LIMITS, schema.GLOBAL):
            if found.pop(kind.name, None) is not None:
                reasons[kind.name] = reasons[schema.SIGNIFICANCE.name]
    if {schema.SPLIT.name, schema.SIGNIFICANCE.name} <= found.keys():
        _keep_what_belongs(run, found, reasons)
    return found, reasons


def _keep_what_belongs(run: RunDirectory, found: dict[str, Artifact], reasons: dict[str, str]) -> None:
    """Take out the results of another count or of other settings, and add those that the count was made with."""
    try:
        results, others = find_results(run, found[schema.SPLIT.name], found[schema.SIGNIFICANCE.name], reasons.keys())
    except ArtifactError as error:  # nobody knows what belongs
        for kind in RESULTS:
            if found.pop(kind.name, None) is not None or run.measurements.artifact(kind).exists():
                reasons.setdefault(kind.name, str(error))
        return
    for kind in others:
        if found.pop(kind.name, None) is not None:
            reasons[kind.name] = f"{run.artifact(kind)}: belongs to another count, other settings or other data"
    found.update(results)


def _stripped(artifact: Artifact) -> Artifact:
    """Return an artifact without the groups that tell of its signal region."""
    kept = {name: columns for name, columns in artifact.groups.items() if not artifact.kind.groups[name].tells_region}
    return replace(artifact, groups=kept)


def _about(found: Mapping[str, Artifact]) -> str:
    """Return signal region, method, ranking and seed in a few words."""
    words: list[str] = []
    split, scores, name = found.get(schema.SPLIT.name), found.get(schema.SCORES.name), ""
    if split is not None:
        words.append(f"{read_regions(split).sr.text} TeV")
    for kind in (schema.TEMPLATE, schema.TEMPLATE_MODEL):
        artifact = found.get(kind.name)
        name = "" if artifact is None else method_of(artifact.provenance.settings)
        if name:
            words.append(name)
            break
    if scores is not None:
        words += filter(None, [ranking_of(scores, name)])
    if split is not None:
        words.append(f"seed {split.provenance.seed}")
    return ", ".join(words)


def method_of(settings: Mapping[str, Any]) -> str:
    """Return the name of the template method in the settings of a template or of its model; empty without one."""
    method = settings.get("model", settings).get("method", {})
    return str(method.get("name", "")) if isinstance(method, Mapping) else str(method)


def lacking(needs: Mapping[str, Sequence[str]], sources: Sources) -> str:
    """Return in a sentence why a picture cannot be drawn; empty where it can.

    Args:
        needs: groups by the name of their kind.
        sources: what there is.
    """
    for kind, groups in ((schema.KINDS[name], groups) for name, groups in needs.items()):
        if kind.name in sources.reasons:
            return sources.reasons[kind.name]
        if kind.name not in sources.artifacts:
            return f"there is no {kind.name} artifact; '{kind.made_by}' makes it"
        for name in groups:
            if sources.has(kind, name):
                continue
            if kind.groups[name].tells_region and sources.is_blinded:
                return "the signal region is blinded"
            return f"its {kind.name} artifact holds no '{name}'"
    return ""

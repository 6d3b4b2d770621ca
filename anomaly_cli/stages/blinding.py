"""Blinding: nobody reads scores or counts of the signal region of real data before saying so.

Observed data without truth labels are blinded until `--unblind` is given; pseudo-data with labels are
not. Every unblinding is recorded beside the artifacts (`artifacts/unblinding.py`): who, when, which events, which
windows, which settings.
"""

from __future__ import annotations

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import has_truth, read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.artifacts.unblinding import INPUT, NOT_NEEDED, append_record, find_record, read_records
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.stages.declaration import require_declared, who_and_when
from anomaly_cli.stages.identity import stored_identity

SCORED = (schema.SCORES.name, schema.CLASSIFIER.name)
"""Kinds that tell what the events of the signal region are like to one search, and only that one may look at."""


def is_blinded(run: RunDirectory, digest: str) -> bool:
    """Return whether the signal region may not be looked at yet, with these settings."""
    return not has_truth(run) and find_record(run, run.read(schema.SPLIT), digest) is None


def permission(run: RunDirectory, digest: str) -> dict[str, str]:
    """Return the record that allows to look, as an input of what is made by looking."""
    found = None if has_truth(run) else find_record(run, run.read(schema.SPLIT), digest)
    return {INPUT: found or NOT_NEEDED}


def hides_region(run: RunDirectory, artifact: Artifact) -> bool:
    """Return whether what an artifact tells about its signal region may not be shown.

    It may where the split beside it holds pseudo-data or has been unblinded; scores only where that was done
    with their settings. Without that split nobody can know, and it may not.
    """
    if not _tells_region(artifact):
        return False
    if not run.has(schema.SPLIT):
        return True
    split = artifact if artifact.kind is schema.SPLIT else run.read(schema.SPLIT)
    if artifact.provenance.inputs.get("split", split.digest) != split.digest:
        return True
    if split.groups["origin"]["has_truth"]:
        return False
    unblinded = [record["settings_digest"] for record in read_records(run) if record["split"] == split.digest]
    digest = _own_settings(run, artifact)
    return digest not in unblinded if digest else not unblinded


def _own_settings(run: RunDirectory, artifact: Artifact) -> str:
    """Return the digest of the settings that scores were made with; empty for what is no score."""
    if artifact.kind.name in SCORED:
        return stored_identity(run, artifact).digest
    if artifact.kind is schema.DECORRELATION:
        return str(artifact.provenance.settings.get("settings_digest", "unknown"))
    return ""


def _tells_region(artifact: Artifact) -> bool:
    """Return whether anything in it tells of a signal region; decorrelated scores of a table belong to no search."""
    if artifact.kind is schema.DECORRELATION and "table" in artifact.provenance.inputs:
        return False
    return any(group.tells_region for group in artifact.kind.groups.values())


def require_unblinded(run: RunDirectory, digest: str) -> None:
    """Refuse to look at a blinded signal region.

    Raises:
        ConfigError: where it is blinded.
    """
    if is_blinded(run, digest):
        split = run.read(schema.SPLIT)
        raise ConfigError(
            f"the signal region {read_regions(split).sr.text} TeV of {split.path} is blinded for these settings;"
            f" 'anomaly significance --unblind --run {run.quoted}' looks at it, which is recorded in unblinding.json"
        )


def unblind(run: RunDirectory, config: Config, digest: str) -> None:
    """Record that the signal region is looked at, unless that is recorded or the data are pseudo-data.

    Raises:
        ArtifactError: where earlier records were changed or taken away.
        ConfigError: where something else was declared to be looked at.
    """
    if not is_blinded(run, digest):
        return
    split = run.read(schema.SPLIT)
    content = {
        **who_and_when(),
        **require_declared(run, config, digest),
        "windows_tev": {name: window.text for name, window in read_regions(split).named().items()},
        "split": split.digest,
        "settings_digest": digest,
    }
    append_record(run, split, content)

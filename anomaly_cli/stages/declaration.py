"""Declarations: what is going to be looked at is written down, with its hash, before anybody looks.

A declaration holds the digests of the search, of the settings of the count and of what was measured for it, and how
often events were ranked in the run directory before. From then on an unblinding has to be that of the latest
declaration; whoever changes something declares again, and the number of declarations goes into the record of the
unblinding.
"""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import platform
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.chained import extend_chain, read_chain
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import hash_json
from anomaly_cli.artifacts.unblinding import find_record
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.stages.measurements import find_measurements

DECLARED = {
    "settings_digest": "the search (windows, features, template method, classifier or score)",
    "count": "the settings of the count ([significance])",
    "measured": "the measured closure and over-dispersion",
}
"""What has to stay as it was declared, and what each is."""


def declare(run: RunDirectory, config: Config, digest: str, note: str) -> dict[str, Any]:
    """Write down what is going to be looked at, and return the record; the last one where nothing is new.

    Args:
        run: of the analysis.
        config: its configuration.
        digest: of the settings of its search.
        note: in the analyst's words.

    Raises:
        ArtifactError: where earlier declarations were changed.
        ConfigError: where the signal region has been looked at with these settings.
    """
    if find_record(run, run.read(schema.SPLIT), digest):
        raise ConfigError(
            f"{run.path}: the signal region has been looked at with these settings; only what nobody has seen can be"
            " declared"
        )
    content, known = _content(run, config, digest), _own(run)
    if known and known[-1] == known[-1] | content and note in ("", known[-1]["note"]):
        return known[-1]
    return extend_chain(
        run.declarations, {**who_and_when(), "note": note, "n_rankings": _count_rankings(run), **content}
    )


def require_declared(run: RunDirectory, config: Config, digest: str) -> dict[str, Any]:
    """Return the declaration that an unblinding belongs to, for its record; nothing where none was made.

    Raises:
        ArtifactError: where declarations were changed.
        ConfigError: where something else was declared.
    """
    known = _own(run)
    if not known:
        return {}
    content = _content(run, config, digest)
    other = [what for key, what in DECLARED.items() if known[-1][key] != content[key]]
    if other:
        raise ConfigError(
            f"{run.declarations}: {' and '.join(other)} are not what was declared on {known[-1]['time']}; go back to"
            f" that, or declare again with 'anomaly significance declare --run {run.quoted}', which is counted"
        )
    return {"declaration": known[-1]["hash"], "n_declarations": len(known)}


def who_and_when() -> dict[str, str]:
    """Return the user, the host and the time."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"user": user, "host": platform.node(), "time": time}


def _own(run: RunDirectory) -> list[dict[str, Any]]:
    """Return the declarations for the events of the run."""
    return [one for one in read_chain(run.declarations) if one["split"] == run.read(schema.SPLIT).digest]


def _content(run: RunDirectory, config: Config, digest: str) -> dict[str, Any]:
    count = {key: value for key, value in dataclasses.asdict(config.significance).items() if key != "measurements"}
    return {
        "split": run.read(schema.SPLIT).digest,
        "settings_digest": digest,
        "count": hash_json(count),
        "measured": dict(find_measurements(run, config, digest).inputs),
    }


def _count_rankings(run: RunDirectory) -> int:
    """Return how often scores were made in the run directory, as its log says.

    Raises:
        ArtifactError: where the log is damaged.
    """
    scores = f"{schema.SCORES.name}.h5"
    try:
        return sum(entry["output"] == scores for entry in run.read_log())
    except ValueError:
        raise ArtifactError(
            f"{run.log}: is damaged, so that nobody can say how often events were ranked; restore it, or move it away"
            " to begin a new one"
        ) from None

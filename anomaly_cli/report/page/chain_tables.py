"""Tables of where a run comes from: its chain of artifacts, versions, times, permissions, and its selected events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.documents import parse_json
from anomaly_cli.report.notation import COUNT, Format, fixed
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label
from anomaly_cli.report.table import Column, Priority, Table, build, made

MOST_EVENTS = 20
"""Selected events that are listed."""
DIGITS = 12
"""Characters of a digest that are shown."""


def _text(name: str, header: str, place: int) -> Any:
    return made(Column(name, header, priority=Priority.HIGH, holds=str), lambda row: row[place])


def _number(name: str, header: str, place: int, digits: Format, unit: str = "") -> Any:
    return made(Column(name, header, unit, format=digits, holds=float), lambda row: row[place])


def chain_table(artifacts: Mapping[str, Artifact]) -> Table:
    """Return one row per artifact: what made it, and from what."""
    rows = []
    for artifact in artifacts.values():
        provenance = artifact.provenance
        inputs = ", ".join(
            f"{name} {digest[:DIGITS]}" for name, digest in provenance.inputs.items() if digest != NOT_THERE
        )
        stage = f"{provenance.stage}, version {provenance.stage_version}"
        rows.append((artifact.path.name, artifact.digest[:DIGITS], stage, float(provenance.seed), inputs))
    fields = [
        *(_text("file", "file", 0), _text("digest", "digest", 1), _text("stage", "made by", 2)),
        *(_number("seed", "seed", 3, COUNT), _text("inputs", "from", 4)),
    ]
    return build("chain", "Chain of artifacts", fields, rows, ["The last digest identifies all that came before it."])


def version_table(artifacts: Mapping[str, Artifact]) -> Table:
    """Return the versions of the libraries that shaped the artifacts; all of them where they differ."""
    found: dict[str, dict[str, list[str]]] = {}
    for artifact in artifacts.values():
        for library, version in artifact.provenance.versions.items():
            found.setdefault(library, {}).setdefault(str(version), []).append(artifact.kind.name)
    rows = [
        (library, ", ".join(versions) if len(versions) == 1 else _each(versions)) for library, versions in found.items()
    ]
    return build("versions", "Versions", [_text("library", "library", 0), _text("version", "version", 1)], rows)


def _each(versions: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{version} ({', '.join(kinds)})" for version, kinds in versions.items())


def time_table(run: RunDirectory) -> list[Table]:
    """Return how long each stage took, as its log says; nothing where there is no log that can be read."""
    try:
        rows = [
            (
                str(e["stage"]),
                str(e["output"]),
                float(e["seconds"]),
                float(e["cpu_seconds"]),
                str(e.get("finished", "")).removesuffix("+00:00").replace("T", " "),
            )
            for e in run.read_log()
        ]
    except (ValueError, KeyError, TypeError):
        return []
    fields = [
        *(_text("stage", "stage", 0), _text("output", "file", 1), _number("seconds", "time", 2, fixed(1), "s")),
        *(_number("cpu_seconds", "CPU", 3, fixed(1), "s"), _text("finished", "finished (UTC)", 4)),
    ]
    total = [sum(row[2] for row in rows), sum(row[3] for row in rows)]
    note = f"Together {total[0]:.0f} s, CPU {total[1]:.0f} s, as logged."
    return [build("times", "Times", fields, rows, [note])] if rows else []


def permission_table(run: RunDirectory) -> list[Table]:
    """Return who looked at the signal region, and when; nothing where nobody had to be allowed to."""
    try:
        records = parse_json(run.unblinding.read_text(encoding="utf-8"))
        rows = [(str(r["time"]), str(r["user"]), str(r["settings_digest"])[:DIGITS]) for r in records]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    fields = [_text("time", "time", 0), _text("user", "by", 1), _text("settings", "settings", 2)]
    return [build("unblinding", "Who looked at the signal region", fields, rows)] if rows else []


def selected_table(sources: Sources) -> list[Table]:
    """Return the observed events of the tightest cut that keeps any, those of the largest scores first."""
    selected = sources.group(schema.SIGNIFICANCE, "selected")
    split, scores = sources.artifacts.get(schema.SPLIT.name), sources.group(schema.SCORES, "observed")
    if not selected or split is None or not scores or "sr" not in split.groups or not len(selected["test"]):
        return []
    cuts = sources.group(schema.SIGNIFICANCE, "tests")["background_efficiency"]
    tightest = min(np.unique(selected["test"]), key=lambda test: float(cuts[test]))
    ids = selected["event_id"][selected["test"] == tightest]
    order = np.argsort(scores["event_id"])
    score = scores["score"][order][np.searchsorted(scores["event_id"][order], ids)]
    kept = ids[np.argsort(-score)][:MOST_EVENTS]
    region = split.groups["sr"]
    places = np.argsort(region["event_id"])[np.searchsorted(np.sort(region["event_id"]), kept)]
    rows = [
        (float(event), float(region["mjj"][place]), float(value), *map(float, region["features"][place]))
        for event, place, value in zip(kept, places, -np.sort(-score), strict=False)
    ]
    features = [_number(f"feature_{i}", name, i + 3, Format("#.4g")) for i, name in enumerate(split.features)]
    fields = [_number("event_id", "event", 0, COUNT), _number("mjj", "mjj", 1, COUNT, "GeV")]
    fields += [_number("score", "score", 2, fixed(3)), *features]
    note = f"{len(kept)} of the {len(ids)} observed events that pass the cut at {cut_label(cuts[tightest])}, largest"
    note += " scores first; scores of different folds are only roughly comparable. Masses in GeV."
    return [build("selected", "Selected events", fields, rows, [note])]

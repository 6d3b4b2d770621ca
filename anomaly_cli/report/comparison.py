"""In what runs differ: settings, counts, significances, closure and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.report.cells import AnyCell, Measured, Missing
from anomaly_cli.report.notation import COUNT, PERCENT, Format, fixed
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.results.significance import significance_cell
from anomaly_cli.report.table import Column, Field, Message, Priority, Report, Table, build, made

UNLIKE = ("settings_digest",)
"""Settings that only say that others differ."""
MISSING = "not there"
MEASURED = (schema.VALIDATION.name, schema.OVERDISPERSION.name)
"""Measurements that a count may have been made with."""


def compare(runs: Sequence[tuple[RunDirectory, Sources]]) -> Report:
    """Return the tables of a comparison; a column for each run.

    Args:
        runs: each with what it holds, as far as it may be shown.
    """
    names = [run.path.name or str(run.path) for run, _ in runs]
    labels = [f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names, 1)]
    sources = [source for _, source in runs]
    differing = _settings(sources)
    report: list[Table | Message] = []
    if differing:
        report.append(_table("settings", "Settings that differ", "setting", labels, differing, holds=str))
    else:
        report.append(Message("All settings are the same."))
    report += [
        _per_cut(labels, sources, "n_observed", "Observed events after each cut", COUNT),
        _per_cut(labels, sources, "n_expected", "Expected events after each cut", fixed(1), "uncertainty"),
        _per_cut(labels, sources, "z", "Local significance after each cut", fixed(2)),
        _table(
            "closure", "Closure of the template: AUC", "compared with", labels, _closure(sources), fixed(4), Measured
        ),
        _table("times", "CPU time [s]", "stage", labels, _times([run for run, _ in runs]), fixed(1)),
    ]
    return [part for part in report if isinstance(part, Message) or part.rows]


def _table(
    name: str,
    title: str,
    key: str,
    labels: Sequence[str],
    rows: Mapping[str, Sequence[AnyCell]],
    digits: Format = COUNT,
    holds: type = float,
) -> Table:
    """Return a table with a row for each key and a column for each run."""
    fields = [made(Column("key", key, priority=Priority.KEY, holds=str), lambda row: row[0])]
    fields += [_of_run(index, label, digits, holds) for index, label in enumerate(labels)]
    return build(name, title, fields, list(rows.items()))


def _of_run(index: int, label: str, digits: Format, holds: type) -> Field:
    cell: Callable[[Any], AnyCell] = lambda row: row[1][index]  # noqa: E731
    return made(Column(f"run_{index + 1}", label, format=digits, priority=Priority.HIGH, holds=holds), cell)


def _settings(sources: Sequence[Sources]) -> dict[str, list[AnyCell]]:
    """Return the settings, seeds and files that are not the same in all runs."""
    flat = [_flat_settings(source) for source in sources]
    keys = dict.fromkeys(key for one in flat for key in one)
    rows: dict[str, list[AnyCell]] = {}
    for key in keys:
        values = [one.get(key) for one in flat]
        if any(value != values[0] for value in values):
            rows[key] = [Missing(MISSING) if value is None else value for value in values]
    return rows


def _flat_settings(sources: Sources) -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in (schema.SPLIT, schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE, schema.CLOSURE):
        artifact = sources.artifacts.get(kind.name)
        if artifact is None:
            continue
        found[f"{kind.name}.seed"] = str(artifact.provenance.seed)
        _flatten(artifact.provenance.settings, kind.name, found)
        if kind is schema.SIGNIFICANCE:
            found |= {
                f"counted with {name}": str(artifact.provenance.inputs.get(name) != NOT_THERE) for name in MEASURED
            }
        if kind is schema.SPLIT:
            found |= {f"split.input.{name}": digest[:12] for name, digest in artifact.provenance.inputs.items()}
    return found


def _flatten(settings: Mapping[str, Any], prefix: str, found: dict[str, str]) -> None:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}.{key}", found)
        elif key not in UNLIKE:
            found[f"{prefix}.{key}"] = str(value)


def _per_cut(
    labels: Sequence[str], sources: Sequence[Sources], column: str, title: str, digits: Format, error: str = ""
) -> Table:
    tests = [source.group(schema.SIGNIFICANCE, "tests") for source in sources]
    cuts = sorted({float(cut) for one in tests if one for cut in one["background_efficiency"]}, reverse=True)
    rows: dict[str, list[AnyCell]] = {}
    for cut in cuts:
        rows[PERCENT.number(cut)] = [
            _cell(source, one, cut, column, error) for source, one in zip(sources, tests, strict=True)
        ]
    return _table(column, title, "cut", labels, rows, digits, Measured if error else float)


def _cell(source: Sources, tests: Mapping[str, Any], cut: float, column: str, error: str) -> AnyCell:
    """Return one number of one cut; why there is none where there is none, or none may be quoted."""
    places = [i for i, value in enumerate(tests["background_efficiency"]) if float(value) == cut] if tests else []
    if not places:
        return Missing("blinded" if source.is_blinded else MISSING)
    value = float(tests[column][places[0]])
    if column == "z":
        return Missing("no claim") if str(tests["no_claim"][places[0]]) else significance_cell(value)
    return Measured(value, float(tests[error][places[0]])) if error else value


def _closure(sources: Sequence[Sources]) -> dict[str, list[AnyCell]]:
    checks = [source.group(schema.CLOSURE, "checks") for source in sources]
    names = dict.fromkeys(str(name) for one in checks if one for name in one["check"])
    rows: dict[str, list[AnyCell]] = {name: [] for name in names}
    for one in checks:
        known = {
            str(name): Measured(float(auc), float(error))
            for name, auc, error in zip(one["check"], one["auc"], one["auc_error"], strict=True)
        } if one else {}  # fmt: skip
        for name, cells in rows.items():
            cells.append(known.get(name, Missing(MISSING)))
    return rows


def _times(runs: Sequence[RunDirectory]) -> dict[str, list[AnyCell]]:
    spent = [_spent(run) for run in runs]
    stages = dict.fromkeys(stage for one in spent for stage in one)
    rows: dict[str, list[AnyCell]] = {
        stage: [one[stage] if stage in one else Missing(MISSING) for one in spent] for stage in stages
    }
    if rows:
        rows["all"] = [sum(one.values()) if one else Missing(MISSING) for one in spent]
    return rows


def _spent(run: RunDirectory) -> dict[str, float]:
    """Return the CPU seconds of each stage, of the last time that it was run; nothing without a log."""
    try:
        return {str(e["stage"]): float(e["cpu_seconds"]) for e in run.read_log()}
    except (ValueError, KeyError, TypeError):
        return {}

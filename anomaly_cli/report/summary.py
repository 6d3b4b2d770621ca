"""What `anomaly run` ends with: short tables, made from the artifacts alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import check_workspaces
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.report.cells import HIDDEN, AnyCell
from anomaly_cli.report.contents import find_results
from anomaly_cli.report.disagreement import compare_searches
from anomaly_cli.report.notation import COUNT, fixed
from anomaly_cli.report.null_studies import doubt_without_signal
from anomaly_cli.report.ranking import ranking_of
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.table import (
    Column,
    Field,
    Level,
    Message,
    Part,
    Priority,
    Report,
    Row,
    Table,
    build,
    made,
    stored,
)
from anomaly_cli.report.tables import rows_of, window_field, window_of

REGION_NAMES = {"sb1": "lower side-band", "sr": "signal region", "sb2": "upper side-band"}


def summarise_run(run: RunDirectory) -> Report:
    """Return the tables of a finished run; without counts where the signal region is blinded."""
    split, template, closure = (run.read(kind) for kind in (schema.SPLIT, schema.TEMPLATE, schema.CLOSURE))
    scores = run.read(schema.SCORES)
    is_blinded = not run.has(schema.SIGNIFICANCE)
    report: list[Part] = [*_title(split, template, scores), region_table(run, is_blinded)]
    if is_blinded:
        looking = f"'anomaly run --run {run.quoted} --unblind' looks at it, and that is recorded."
        report.append(Message(f"The signal region is blinded. {looking}", Level.HEADLINE))
        report += _blinded(run)
    else:
        significance = run.read(schema.SIGNIFICANCE)
        check_workspaces(run, significance)
        require_record(run, split, significance)
        report += [*report_on(significance), *_further(run, split, significance)]
    doubt = doubt_without_signal(template, scores, None if is_blinded else run.read(schema.SIGNIFICANCE))
    if doubt and not any(isinstance(part, Table) and part.name == schema.CALIBRATION.name for part in report):
        report.append(Message(doubt))
    return [*report, *report_on(closure)]


def _blinded(run: RunDirectory) -> list[Part]:
    """Return what is known without a look: what the search can find, and what has been measured for it."""
    if not run.has(schema.SENSITIVITY):
        return []
    sensitivity = run.read(schema.SENSITIVITY)
    report: list[Part] = [*report_on(sensitivity)]
    for kind in (schema.OVERDISPERSION, schema.VALIDATION):
        if run.has(kind) and run.read(kind).digest == sensitivity.provenance.inputs[kind.name]:
            report += report_on(run.read(kind))
    return report


def _further(run: RunDirectory, split: Artifact, significance: Artifact) -> list[Part]:
    """Return what else is known of a run that has been counted."""
    results, others = find_results(run, split, significance)
    if schema.BUMP.name in results:
        check_workspaces(run, results[schema.BUMP.name])
    report: list[Part] = []
    for result in results.values():
        if result.path.parent != run.path:
            report.append(Message(f"From {result.path.parent}, a run with the same settings:", Level.HEADLINE))
        report += report_on(result)
        if result.kind is schema.BUMP:
            report += compare_searches(significance, result)
    if others:
        names = ", ".join(run.artifact(kind).name for kind in others)
        report.append(Message(f"Not shown, since it belongs to another count, other settings or other data: {names}."))
    return report


def _title(split: Artifact, template: Artifact, scores: Artifact) -> list[Message]:
    regions, seed = read_regions(split), template.provenance.seed
    method = template.provenance.settings["model"]["method"]["name"]
    is_true = "truth" in template.provenance.inputs
    name = f"{method} (truth)" if is_true else method
    title = [Message(f"Signal region {regions.sr.text} TeV, template {name}, seed {seed}", Level.HEADLINE)]
    ranking = ranking_of(scores, method)
    if ranking:
        title.append(Message(f"Events are ranked by {ranking}."))
    if is_true:
        title.append(Message("The template is true background: a benchmark, which no analysis has."))
    if split.groups["origin"]["has_truth"]:
        title.append(Message("Pseudo-data with truth labels: the signal region is not blinded."))
    return title


@dataclass(frozen=True)
class _Region:
    """One window and what it holds; `n_signal` where truth is known."""

    name: str
    low: float
    high: float
    n_events: int
    n_signal: int = 0

    @property
    def ratio(self) -> float:
        """Naive significance of the injected signal."""
        n_background = self.n_events - self.n_signal
        return self.n_signal / math.sqrt(n_background) if n_background else math.inf


def region_table(run: RunDirectory, is_blinded: bool = False) -> Table:
    """Return events per region and, where truth is known, the naive significance of the injected signal."""
    split, found = run.read(schema.SPLIT), read_truth(run)
    truth = None if found is None else found[0]
    regions = []
    for name, window in read_regions(split).named().items():
        events = split.groups[name]["event_id"]
        n_signal = 0 if truth is None else int(truth.is_signal[events].sum())
        regions.append(_Region(name, window.low, window.high, len(events), n_signal))

    def n_events(region: _Region) -> AnyCell:
        return HIDDEN if is_blinded and region.name == "sr" else region.n_events

    fields = [
        made(Column("region", "region", priority=Priority.KEY, holds=str), lambda region: REGION_NAMES[region.name]),
        made(window_field("window", "window", priority=Priority.NORMAL).column, _window),
        made(Column("n_events", "events", format=COUNT, priority=Priority.HIGH, holds=int), n_events),
        *(_truth_fields() if truth is not None else ()),
    ]
    return build("regions", "Events", fields, regions)


def _window(region: _Region) -> AnyCell:
    return window_of(region.low, region.high)


def _truth_fields() -> list[Field]:
    return [
        made(
            Column("n_signal", "of these signal (truth)", format=COUNT, priority=Priority.LOW, holds=int),
            lambda region: region.n_signal,
        ),
        made(
            Column("naive_significance", "naive S/sqrt(B) (truth)", format=fixed(2), priority=Priority.LOW),
            lambda region: region.ratio if region.name == "sr" else None,
        ),
    ]


def cutflow_table(split: Artifact, is_blinded: bool = False) -> Table:
    """Return how many events each step of the split left; while blinded not of the last, which counts the windows."""
    cutflow = schema.SPLIT.groups["cutflow"]
    rows = rows_of(split.groups["cutflow"])
    hidden = rows[-1:] if is_blinded else []

    def n_events(row: Row) -> AnyCell:
        return HIDDEN if any(row is other for other in hidden) else int(row["n_events"])

    fields = [
        stored(cutflow, "step", "step", priority=Priority.KEY),
        made(Column("n_events", "events left", format=COUNT, priority=Priority.KEY, holds=int), n_events, cutflow),
    ]
    return build("cutflow", "Cutflow", fields, rows)

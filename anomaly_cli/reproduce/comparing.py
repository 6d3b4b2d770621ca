"""Published values beside what the jobs of a plan found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anomaly_cli
from anomaly_cli.artifacts.reproduction import NOT_RUN, Compared, Reproduction
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.datasets.manifests import SHIPPED
from anomaly_cli.reproduce.eventfiles import EventFiles
from anomaly_cli.reproduce.job_records import Record
from anomaly_cli.reproduce.kinds import KINDS
from anomaly_cli.reproduce.published import PublishedValue, find_value, not_found, rows_of
from anomaly_cli.reproduce.running import FIRST_SEED, Place, Plan, places_of, plan_target, read_record
from anomaly_cli.reproduce.targets import NO_EVENTS, Quantity, Series, Target, load_target


def collect(plan: Plan, folder: Path) -> Reproduction:
    """Return published values beside ours, from the records that are there."""
    target = plan.target
    rows = rows_of(target)
    records = {job.key: read_record(folder, job) for job in plan.jobs}
    known = [record for record in records.values() if record is not None]
    values = tuple(_compare(place, plan, rows, records) for place in plan.places)
    ranks = dict.fromkeys(KINDS[job.kind].ranks(dict(job.settings)) for job in plan.jobs)
    return Reproduction(
        target=target.name,
        title=target.title,
        scale=plan.scale,
        x=target.x,
        values=tuple(value for value in values if value.ours or value.why_not or value.published is not None),
        data=plan.files.words(target, [job.settings for job in plan.jobs]),
        classifier="; ".join(filter(None, ranks)),
        settings=_kept_settings(plan),
        release=", ".join(sorted({str(record["release"]) for record in known} or {anomaly_cli.__version__})),
        n_jobs=len(known),
        cpu_seconds=sum(float(record["cpu_seconds"]) for record in known),
        failed=_failures(plan, records),
        notes=_notes(target, plan.scale, rows),
        papers=target.papers,
    )


def _failures(plan: Plan, records: Mapping[str, Record | None]) -> tuple[str, ...]:
    """Return which jobs have no result, by series, x and seed, and why."""
    failed = []
    for place in plan.places:
        for job in place.jobs:
            record = records[job.key]
            if record is not None and record["failure"]:
                at = ", ".join(filter(None, (place.series.name, f"{plan.target.x} {place.x}".strip())))
                failed.append(f"{at}, seed {job.seed}: {record['failure']}")
    return tuple(dict.fromkeys(failed))


def tell_anew(found: Reproduction) -> Reproduction:
    """Return what was found with the published values and the notes that its target has now.

    Raises:
        ConfigError: where the target has no such series or quantity any more.
    """
    target = load_target(found.target)
    rows = rows_of(target)
    series = {one.name: one for one in target.series}
    quantities = {one.name: one for one in target.quantities}
    values, shared = [], _files_like(found, target, EventFiles(data=SHIPPED)).shared(target)
    for value in found.values:
        if value.series not in series or value.quantity not in quantities:
            raise ConfigError(f"target {target.name}: has no {value.quantity} of {value.series} any more; run it again")
        at = series[value.series], quantities[value.quantity]
        waits_for = at[0].waits_for or at[1].waits_for
        waiting = replace(value, why_not=f"waits for {waits_for}") if waits_for and not value.ours else value
        waiting = replace(waiting, shared=shared)
        values.append(_beside(waiting, target, *at, rows))
    notes = _notes(target, found.scale, rows)
    return replace(found, values=tuple(values), title=target.title, papers=target.papers, notes=notes)


def _files_like(found: Reproduction, target: Target, shipped: EventFiles) -> EventFiles:
    """Return the files of what was found: the shipped ones where none was named, others by digest, without a name."""
    if target.data == NO_EVENTS:
        return EventFiles()
    digests = dict(found.settings["files"])
    if "data" not in found.given:
        digests |= dict(shipped.digests)
    reference, simulation = ("FILE" if role in found.given else "" for role in ("reference", "simulation"))
    return replace(shipped, reference=reference, simulation=simulation, digests=tuple(sorted(digests.items())))


def count_outdated(found: Reproduction, shipped: EventFiles) -> int:
    """Return how many jobs of what was found are no longer those that its target asks for.

    Their settings or the code of a stage have changed since, so that the command finds other values.

    Args:
        found: what was run; on the shipped events, or on none.
        shipped: the shipped events, as `open_files` finds them.
    """
    target = load_target(found.target)
    files = _files_like(found, target, shipped)
    plan = plan_target(target, found.scale, files, len(found.settings["seeds"]))
    return len(set(found.settings["jobs"]) - {job.key for job in plan.jobs})


def _kept_settings(plan: Plan) -> dict[str, Any]:
    """Return what makes the jobs of a run again: paths are on one machine only, digests on all."""
    scale = plan.target.scales[plan.scale]
    return {
        "target": dict(plan.target.settings),
        "scale": dict(scale.settings),
        "x": list(scale.x),
        "seeds": list(range(FIRST_SEED, FIRST_SEED + plan.seeds)),
        "files": dict(plan.files.digests),
        "given": plan.files.given,
        "jobs": sorted(job.key for job in plan.jobs),
    }


def _compare(
    place: Place, plan: Plan, rows: Sequence[PublishedValue], records: Mapping[str, Record | None]
) -> Compared:
    series, quantity = place.series, place.quantity
    shared = plan.files.shared(plan.target)
    compared = Compared(series.name, quantity.name, place.x, why_not=place.why_not, shared=shared)
    compared = _beside(compared, plan.target, series, quantity, rows)
    if place.why_not:
        return compared
    name = series.found.get(quantity.name, quantity.found).replace("{x}", _number_text(place.x))
    founds = [record["found"] for job in place.jobs if (record := records[job.key]) is not None]
    ours, errors, exact = (
        [quantity.factor * float(found[f"{name}{suffix}"]) for found in founds if f"{name}{suffix}" in found]
        for suffix in ("", ".error", ".exact")
    )
    if not ours:
        reason = _why_not([records[job.key] for job in place.jobs])
        return replace(compared, why_not=reason, was_run=reason != NOT_RUN)
    kept = tuple(abs(error) for error in errors)
    return replace(compared, ours=tuple(ours), errors=kept, exact=exact[0] if exact else None)


def _why_not(records: Sequence[Record | None]) -> str:
    """Return why jobs have no value."""
    if any(record is None for record in records):
        return NOT_RUN
    failures = [str(record["failure"]) for record in records if record is not None and record["failure"]]
    return failures[0] if failures else "too few events"


def _number_text(x: str) -> str:
    """Return x as results are named by it: `1e-2` is `0.01`."""
    try:
        return f"{float(x):g}"
    except ValueError:
        return x


def _beside(
    value: Compared, target: Target, series: Series, quantity: Quantity, rows: Sequence[PublishedValue]
) -> Compared:
    """Return a value of ours with the published one beside it."""
    published = _published(target, series, quantity, value.x, rows)
    value = replace(value, compares=quantity.compares)
    if published is None:
        return replace(value, published=None, published_error=None, published_over=1, how_read="", source="")
    return replace(
        value,
        published=published.value,
        published_error=published.error,
        published_over=_spread_over(target, published),
        how_read=published.how_read,
        source=published.source,
    )


def _spread_over(target: Target, row: PublishedValue) -> int:
    """Return over how many values a published error is a standard deviation, 1 where it is that of the value."""
    of_table = target.spread_over.get(row.table, 1)
    return target.spread_over.get(f"{row.table} {row.quantity}", of_table)


def _notes(target: Target, scale: str, rows: Sequence[PublishedValue]) -> tuple[str, ...]:
    """Return what has to be said: of target and series, of values not found, and of those that a scale leaves out."""
    notes = [*target.notes, *(f"{series.name}: {series.note}" for series in target.series if series.note)]
    notes += [f"Not found in any public text: {text}." for text in not_found(rows)]
    known = {id(row) for row in rows if row.value is not None}
    here = known - _asked_for(target, scale, rows)
    never = known.intersection(*(known - _asked_for(target, one, rows) for one in target.scales))
    if here:
        of_all, rest = f"{len(here)} of {len(known)} published values", f", {len(never)} of them at none"
        where = "any scale" if here == never else "this scale"
        notes.append(f"Not computed at {where}: {of_all}{rest if never and here != never else ''}.")
    return tuple(notes)


def _asked_for(target: Target, scale: str, rows: Sequence[PublishedValue]) -> set[int]:
    """Return which rows a scale computes, by identity."""
    places = places_of(target, target.scales[scale])
    return {id(_published(target, *place, rows)) for place in places if not (place[0].waits_for or place[1].waits_for)}


def _published(
    target: Target, series: Series, quantity: Quantity, x: str, rows: Sequence[PublishedValue]
) -> PublishedValue | None:
    """Return the published value of a place, or None."""
    return find_value(rows, *_published_name(series, quantity), target.published_x.get(x, x))


def _published_name(series: Series, quantity: Quantity) -> tuple[str, str]:
    """Return what published rows call method and quantity."""
    name = quantity.published or quantity.name
    return (series.published or series.name).replace("{quantity}", name), name

"""Published values beside ours, as tables: of the targets, and of one that was run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scipy.special import stdtr

from anomaly_cli.artifacts.reproduction import Compared, Reproduction
from anomaly_cli.report.cells import AnyCell, Measured, Missing
from anomaly_cli.report.notation import ROUNDED, Format
from anomaly_cli.report.table import Column, Field, Level, Message, Part, Priority, Report, Table, build, made
from anomaly_cli.report.tables import plural

PUBLISHED = Format(".4g", error=".2g")
"""Digits as they are published, where no more is known of them."""
PULL = Format("+.1f")
FAR = 2.0
"""Errors of a difference from which on it is told."""
LEAST_CHANCE = 0.001
"""Smaller chances are not told apart."""
ERRORS = (
    "Errors of ours: of the mean over seeds, from their spread and the events that they measure on in common, but no"
    " less than statistical errors leave; of one seed the statistical error. What else is alike in all seeds is in no"
    " error, so errors are too small rather than too large. Differences: ours - published. A published"
    " standard deviation, over seeds or events, counts in them as the error of the mean; where no error is published,"
    " theirs is that of ours alone."
)


INJECT = "data.inject"


def command_of(found: Reproduction) -> str:
    """Return the command that makes results again, without `anomaly`; files are named by what they are."""
    files = "".join(f" --{role} FILE" for role in found.given)
    seeds = len(found.settings["seeds"])
    return f"reproduce run {found.target} --scale {found.scale} --seeds {seeds}{files}"


def reproduction_report(found: Reproduction) -> Report:
    """Return what was run and what came out: a table of each quantity, and what has to be said of them."""
    title = f"{found.target}: {found.title} (scale {found.scale})"
    is_published = any(value.published is not None for value in found.values)
    papers = f"{'Published in' if is_published else 'In the manner of'} {', '.join(found.papers)}."
    parts: list[Part] = [Message(title, Level.HEADLINE), Message(papers)]
    parts.append(Message(found.data))
    if found.classifier:
        parts.append(Message(f"Ranked by {found.classifier}."))
    settings = _settings_in_words(found)
    if settings:
        parts.append(Message(f"Settings of all rows: {settings}."))
    for quantity in dict.fromkeys(value.quantity for value in found.values):
        parts.append(_comparison(found, quantity))
    cost = f"{plural(found.n_jobs, 'job')}, {found.cpu_seconds / 60.0:.1f} CPU minutes, release {found.release}."
    parts += [Message(ERRORS), Message(cost), *_disagreements(found)]
    parts += [Message(note) for note in found.notes]
    parts += [Message(f"No result: {failure}", Level.WARNING) for failure in found.failed]
    return parts


def _settings_in_words(found: Reproduction) -> str:
    """Return what the target and its scale set, apart from what x and the rows set."""
    told: dict[str, str] = {}
    for settings in (found.settings["target"], found.settings["scale"]):
        told |= {name.removeprefix("config."): text for name, text in _flat(settings)}
    told.pop("measure", None)
    if told.get(INJECT, "0") != "0":
        told[INJECT] += " as published"
    return "; ".join(f"{name} = {text}" for name, text in sorted(told.items()))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _disagreements(found: Reproduction) -> list[Message]:
    """Return which values of ours are far from the published or the exact ones."""
    far = []
    for value in (value for value in found.values if value.compares):
        for other, error, name in (
            (value.published, value.published_mean_error, "published"),
            (value.exact, None, "exact"),
        ):
            difference = value.difference(other, error)
            if difference is not None and difference[1] and abs(difference[0]) > FAR * difference[1]:
                place = ", ".join(filter(None, (value.series, value.quantity, f"{found.x} {value.x}".strip())))
                freedom = value.freedom(difference[1], is_published=name == "published")
                chance = chance_of(difference[0] / difference[1], freedom)
                told = f"{chance:.2g}" if chance >= LEAST_CHANCE else f"< {LEAST_CHANCE:g}"
                far.append(f"{place}: {value.mean:.4g} where {name} is {other:.4g} ({told})")
    if not far:
        return []
    title = (
        f"Differ by more than {FAR:g} times the error of the difference (and how often chance"
        " does that with so few seeds, published values without an error taken as exact):"
    )
    return [Message(title, Level.HEADLINE, tuple(far))]


def chance_of(errors: float, freedom: float) -> float:
    """Return how often a difference of so many errors comes about by chance, either way, where nothing differs.

    Args:
        errors: the difference over its error.
        freedom: degrees of freedom of the error.
    """
    return 2.0 * float(stdtr(freedom, -abs(errors)))


def _comparison(found: Reproduction, quantity: str) -> Table:
    rows = [value for value in found.values if value.quantity == quantity]
    readings = dict.fromkeys((value.how_read, value.source) for value in rows if value.published is not None)
    numbers = {reading: f"[{number}]" for number, reading in enumerate(readings, start=1)}
    is_one_series = len({value.series for value in found.values}) == 1
    fields = [] if found.x and is_one_series else [_text("series", "", Priority.KEY)]
    fields += [_text("x", found.x, Priority.KEY)] if found.x else []
    if numbers:
        fields.append(_number("published", "published", _published, Priority.HIGH, PUBLISHED))
    fields.append(_number("ours", "ours", _ours, Priority.KEY))
    if any(value.exact is not None for value in rows):
        fields.append(_plain("exact", "exact", ROUNDED, lambda value: value.exact))
        fields.append(_plain("pull", "pull", PULL, _pull))
    is_run = any(value.ours for value in rows)
    if is_run:
        fields.append(made(Column("seeds", "seeds", priority=Priority.LOW, holds=int), lambda value: len(value.ours)))
    if is_run and numbers and rows[0].compares:
        fields.append(_number("difference", "difference", _difference, Priority.HIGH))
    if numbers:
        reading = Column("reading", "read", priority=Priority.HIGH, holds=str)
        fields.append(made(reading, lambda value: numbers.get((value.how_read, value.source))))
    fields += [_text("how_read", "read from, in words", Priority.DATA), _text("source", "source", Priority.DATA)]
    notes = [f"{number} {': '.join(filter(None, reading))}." for reading, number in numbers.items()]
    if any(value.exact is not None for value in rows):
        notes.append("pull: (ours - exact) / error.")
    name = f"table_{found.target}".replace("-", "_")
    return build(name, quantity, fields, rows, [*_reasons(rows), *_fewer(found, rows), *notes])


def values_table(found: Reproduction) -> Table:
    """Return all values of a reproduction as one table for programs."""
    fields = [
        _text("quantity", "quantity", Priority.KEY),
        _text("series", "series", Priority.KEY),
        _text("x", "x", Priority.KEY),
        _number("published", "published", _published),
        made(Column("published_over", "error over", holds=int), lambda value: value.published_over),
        _number("ours", "ours", lambda v: _measured(v.mean, v.error)),
        _plain("exact", "exact", ROUNDED, lambda value: value.exact),
        made(Column("seeds", "seeds", holds=int), lambda value: len(value.ours)),
        _number("difference", "difference", _difference),
        _text("why_not", "not run because", Priority.LOW),
        _text("how_read", "read from", Priority.LOW),
        _text("source", "source", Priority.LOW),
    ]
    return build("values", f"{found.target}, {found.scale}", fields, found.values)


def _reasons(rows: Sequence[Compared]) -> list[str]:
    """Return why values of ours are missing, each reason once with what it is said of."""
    reasons = dict.fromkeys((value.was_run, value.why_not) for value in rows if value.why_not)
    notes = []
    for was_run, reason in reasons:
        of_reason = [value for value in rows if (value.was_run, value.why_not) == (was_run, reason)]
        names: dict[str, None] = {}
        for value in of_reason:
            own = [one for one in rows if one.series == value.series]
            is_whole = all(one in of_reason for one in own)
            names[value.series if is_whole else f"{value.series} {value.x}"] = None
        notes.append(f"{'No value' if was_run else 'Not run'}, {', '.join(names)}: {reason}.")
    return notes


def _fewer(found: Reproduction, rows: Sequence[Compared]) -> list[str]:
    """Return which values are of fewer seeds than were asked for: those that are missing may be no accident."""
    n = len(found.settings["seeds"])
    few = [
        f"{' '.join((value.series, value.x)).strip()} ({len(value.ours)})" for value in rows if 0 < len(value.ours) < n
    ]
    return [f"Of fewer than {n} seeds: {', '.join(few)}."] if few else []


def _plain(name: str, header: str, digits: Format, cell: Callable[[Compared], AnyCell]) -> Field:
    return made(Column(name, header, format=digits, priority=Priority.HIGH), cell)


def _text(name: str, header: str, priority: Priority) -> Field:
    return made(Column(name, header, priority=priority, holds=str), lambda value: getattr(value, name))


def _number(
    name: str,
    header: str,
    cell: Callable[[Compared], AnyCell],
    priority: Priority = Priority.NORMAL,
    digits: Format = ROUNDED,
) -> Field:
    return made(Column(name, header, format=digits, priority=priority, holds=Measured), cell)


def _measured(value: float | None, error: float | None) -> AnyCell:
    if value is None:
        return None
    return value if error is None else Measured(value, error)


def _published(value: Compared) -> AnyCell:
    return _measured(value.published, value.published_error)


def _ours(value: Compared) -> AnyCell:
    if value.why_not:
        return Missing("no value" if value.was_run else "not run")
    return _measured(value.mean, value.error)


def _difference(value: Compared) -> AnyCell:
    found = value.difference(value.published, value.published_mean_error) if value.compares else None
    return None if found is None else _measured(*found)


def _pull(value: Compared) -> AnyCell:
    if value.exact is None or value.mean is None or not value.error:
        return None
    return (value.mean - value.exact) / value.error


def targets_table(rows: Sequence[tuple[str, str, str, str, str]], notes: Sequence[str]) -> Table:
    """Return the list of targets: name, title, papers, data it needs, what it waits for; and what is to be said."""
    columns = (
        Column("target", "target", priority=Priority.KEY, holds=str),
        Column("title", "what", priority=Priority.HIGH, holds=str),
        Column("papers", "arXiv", priority=Priority.LOW, holds=str),
        Column("data", "needs", priority=Priority.NORMAL, holds=str),
        Column("waits_for", "waits for", priority=Priority.DATA, holds=str),
    )
    return Table("targets", "What can be reproduced", columns, tuple(rows), tuple(notes))


def published_table(rows: Sequence[tuple[str, str, str, float | None, float | None, str, str]]) -> Table:
    """Return published values: method, quantity, x, value, error, how it was read, source.

    How values were read is said below the table, since many were read alike.
    """
    columns = (
        Column("method", "method", priority=Priority.KEY, holds=str),
        Column("quantity", "quantity", priority=Priority.HIGH, holds=str),
        Column("x", "x", priority=Priority.HIGH, holds=str),
        Column("value", "value", format=PUBLISHED, priority=Priority.KEY, holds=Measured),
        Column("reading", "read", priority=Priority.HIGH, holds=str),
        Column("how_read", "read from, in words", priority=Priority.DATA, holds=str),
        Column("source", "source", priority=Priority.DATA, holds=str),
    )
    numbers = {text: f"[{number}]" for number, text in enumerate(dict.fromkeys(row[5] for row in rows), start=1)}
    cells = tuple(
        (method, quantity, x, _measured(value, error), numbers[how_read], how_read, source)
        for method, quantity, x, value, error, how_read, source in rows
    )
    notes = tuple(f"{number} {text}." for text, number in numbers.items())
    return Table("published", "Published values", columns, cells, notes)

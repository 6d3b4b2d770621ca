"""What has become of the jobs of a scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anomaly_cli.report.notation import COUNT
from anomaly_cli.report.table import Column, Message, Part, Priority, Report, Table, build, made
from anomaly_cli.report.tables import plural

MOST_JOBS = 40
"""Jobs named on the terminal."""
NOTED = {
    "job": "what it is for",
    "state": "what has become of it",
    "reason": "why it failed or died, or who runs it",
    "log": "its log, where there is one",
}


def status_report(counts: Mapping[str, Mapping[str, int]], noted: Sequence[tuple[str, str, str, str]]) -> Report:
    """Return how many jobs of each sort are in which state, and those that are not simply done or waiting.

    Args:
        counts: by sort, jobs by state.
        noted: what, state, reason and log (may be empty) of each job to be shown.
    """
    report: list[Part] = []
    for sort, states in counts.items():
        summary = ", ".join(f"{number} {state}" for state, number in states.items())
        report.append(Message(f"{plural(sum(states.values()), sort)}: {summary}"))
    for what, state, reason, log in noted[:MOST_JOBS]:
        report.append(Message(": ".join(filter(None, [state, what, reason])), details=(log,) if log else ()))
    if len(noted) > MOST_JOBS:
        report.append(Message(f"... and {len(noted) - MOST_JOBS} more"))
    texts = [Column(name, name, "", meaning, priority=Priority.DATA, holds=str) for name, meaning in NOTED.items()]
    listed = Table("noted_jobs", "Jobs that are not simply done or waiting", tuple(texts), tuple(noted))
    return [*report, _numbers(counts), listed]


def _numbers(counts: Mapping[str, Mapping[str, int]]) -> Part:
    """Return the numbers of jobs as a table for programs."""
    rows = [(sort, state, number) for sort, states in counts.items() for state, number in states.items()]
    fields = [
        made(Column("sort", "sort", priority=Priority.DATA, holds=str), lambda row: row[0]),
        made(Column("state", "state", priority=Priority.DATA, holds=str), lambda row: row[1]),
        made(Column("jobs", "jobs", format=COUNT, priority=Priority.DATA, holds=int), lambda row: row[2]),
    ]
    return build("jobs", "Jobs by state", fields, rows)

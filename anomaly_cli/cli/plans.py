"""What a command will do, train and take: as a table with `--dry-run`, else as a line before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_cli.artifacts import schema
from anomaly_cli.cli.asked import Asked
from anomaly_cli.cli.outlook import Outlook, words
from anomaly_cli.cli.output import show
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.report.cells import Missing
from anomaly_cli.report.table import Column, Priority, Table
from anomaly_cli.stages.blinding import is_blinded
from anomaly_cli.stages.chain import Planned, plan_run
from anomaly_cli.stages.frame import Analysis, Stage, State, inspect_stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.split import SPLIT, count_side_bands

ACTIONS = {
    State.MISSING: "run",
    State.CURRENT: "nothing: up to date",
    State.OTHER: "replace, only with --overwrite",
    State.RENEWED: "run again with what has been measured since",
    State.UNDECIDED: "decided when its inputs are there",
}
NO_LOOK = "not before --unblind"
WORTH_TELLING = 5.0
"""Time from which on it is told before a command begins [s]."""


def plan_of(analysis: Analysis, measure: bool) -> list[Planned]:
    """Return what `anomaly run` would do."""
    if not measure:
        return plan_run(analysis)
    from anomaly_cli.studies.measure import plan_measured

    return plan_measured(analysis)


def plan_single(analysis: Analysis, stages: Sequence[Stage[Analysis]]) -> list[Planned]:
    """Return what would be done with stages; those that will be refused are left out, since the refusal says more."""
    planned = []
    for stage in stages:
        try:
            stage.refuse(analysis)
            planned.append(Planned(stage, *inspect_stage(stage, analysis)))
        except AnomalyError:
            planned += [Planned(stage, State.UNDECIDED, "")] if planned else []
    return planned


def print_plan(asked: Asked, measure: bool, look: bool) -> None:
    """Print what a run would do, train and take; `look` is whether it unblinds the signal region."""
    from anomaly_cli.studies.effort import is_scaled

    analysis = Analysis.open(asked.directory, asked.config)
    priorities = {"stage": Priority.KEY, "output": Priority.LOW, "action": Priority.HIGH}
    plan, processes = plan_of(analysis, measure), analysis.compute.processes
    reasons = Priority.HIGH if any(item.reason for item in plan) else Priority.NORMAL
    priorities |= {"trains": Priority.NORMAL, "time": Priority.HIGH, "reason": reasons}
    columns = tuple(Column(name, name, priority=priority, holds=str) for name, priority in priorities.items())
    events = _events_of(analysis, plan)
    outlook = outlook_of(analysis, plan)
    is_hidden = not look and _is_known_to_be_blinded(analysis)
    rows = tuple(
        (
            item.stage.name,
            item.stage.path(analysis).name,
            NO_LOOK if item.stage.looks and is_hidden else ACTIONS[item.state],
            *_told(item, analysis),
            item.reason,
        )
        for item in plan
    )
    notes = (*events, *_notes(outlook, processes, is_scaled(analysis)))
    show(Table("plan", f"Plan for {asked.directory}", columns, rows, notes))


def _events_of(analysis: Analysis, plan: Sequence[Planned]) -> tuple[str, ...]:
    """Read the events where they are still to be divided, so that what cannot be analysed is refused; nothing is kept.

    Returns:
        How many lie in the side-bands, in a sentence.
    """
    if plan[0].stage is not SPLIT or plan[0].state is State.CURRENT:
        return ()
    lower, upper = count_side_bands(SPLIT.make(analysis))
    return (f"The side-bands hold {lower:,} and {upper:,} events.",)


def _is_known_to_be_blinded(analysis: Analysis) -> bool:
    return analysis.run.has(schema.SPLIT) and is_blinded(analysis.run, configured_identity(analysis).digest)


def _told(item: Planned, analysis: Analysis) -> tuple[str | Missing, str | Missing]:
    """Return what a stage trains and takes, in words."""
    from anomaly_cli.studies.effort import effort_of

    if item.state is State.CURRENT:
        return Missing("-"), Missing("-")
    effort = effort_of(item.stage.name, analysis)
    return effort.trains or Missing("-"), words(effort.seconds(analysis.compute.processes)) or Missing("not known")


def _notes(outlook: Outlook, processes: int, is_scaled: bool) -> tuple[str, ...]:
    if not outlook.n_left:
        return ()
    total = words(outlook.seconds)
    shared = f"with {processes} processes and nothing else to do" if processes > 1 else "with one process"
    scaled = "" if is_scaled else "; estimated for the 131,000 events of the shipped data"
    return (f"In all {total} {shared}{scaled}." if total else "How long this takes is not known for these settings.",)


def outlook_of(analysis: Analysis, plan: Sequence[Planned]) -> Outlook:
    """Return what the stages of a plan that are to be made will take."""
    made = [item.stage.name for item in plan if item.state is not State.CURRENT]
    if not made:
        return Outlook({})
    from anomaly_cli.studies.effort import effort_of  # knows all stages, so that it imports what they need

    efforts = {name: effort_of(name, analysis) for name in made}
    seconds = {name: effort.seconds(analysis.compute.processes) for name, effort in efforts.items()}
    return Outlook(seconds, with_parts=[name for name, effort in efforts.items() if effort.has_parts])


def outlook_with_words(analysis: Analysis, plan: Sequence[Planned], is_quiet: bool) -> Outlook:
    """Return the outlook of a command, with a sentence on what it trains and takes where that is long."""
    outlook = outlook_of(analysis, plan)
    if is_quiet or outlook.seconds < WORTH_TELLING:
        return outlook
    from anomaly_cli.studies.effort import effort_of

    trained = "; ".join(filter(None, (effort_of(name, analysis).trains for name in outlook.expected)))
    time, processes = words(outlook.seconds), analysis.compute.processes
    shared = f" with {processes} processes" if processes > 1 else ""
    if trained:
        outlook.sentence = f"Trains {trained}{f': {time}{shared}' if time else ''}."
    return outlook

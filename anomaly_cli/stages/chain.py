"""The chain of `anomaly run`: all stages in order, each only where its output is not up to date."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.seen import Need
from anomaly_cli.stages.blinding import is_blinded, unblind
from anomaly_cli.stages.classify import CLASSIFY
from anomaly_cli.stages.closure import CLOSURE
from anomaly_cli.stages.frame import Analysis, Outcome, Stage, State, append_log, execute, inspect_stage, save_config
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.provisions import simulation_digests
from anomaly_cli.stages.shared import SHARED, describe_shared
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.stages.split import SPLIT
from anomaly_cli.stages.template import MODEL, TEMPLATE

CHAIN = (SPLIT, SHARED, MODEL, TEMPLATE, CLASSIFY, SIGNIFICANCE, CLOSURE)
"""The stages of a run, in order."""


def chain(analysis: Analysis) -> tuple[Stage[Analysis], ...]:
    """Return the stages of a run; the shared model only where the run has to make its own."""
    needs_own = Need.SHARED_MODEL in analysis.settings.method.needs and not analysis.config.template.base
    return tuple(stage for stage in CHAIN if stage is not SHARED or needs_own)


@dataclass(frozen=True)
class Planned:
    """What a run would do with one stage, and why."""

    stage: Stage[Analysis]
    state: State
    reason: str


def plan_run(analysis: Analysis) -> list[Planned]:
    """Return what a run would do, without doing it.

    Raises:
        AnomalyError: where a setting or an input file cannot be used.
    """
    simulation_digests(analysis.config, analysis.settings.method)  # what is missing should not cost a split
    describe_shared(analysis.config)
    return plan_stages(analysis, chain(analysis))


def plan_stages(analysis: Analysis, stages: Sequence[Stage[Analysis]]) -> list[Planned]:
    """Return what would be done with stages of which each may need those before it.

    Raises:
        AnomalyError: where a setting or an input file cannot be used.
    """
    planned: list[Planned] = []
    is_upstream_current = True
    for stage in stages:
        exists = stage.path(analysis).exists()
        if is_upstream_current:
            state, reason = inspect_stage(stage, analysis)
        else:
            state = State.UNDECIDED if exists else State.MISSING
            reason = "kept if the earlier stages give what it was made from" if exists else ""
        is_upstream_current = is_upstream_current and state is State.CURRENT
        planned.append(Planned(stage, state, reason))
    return planned


def run_chain(analysis: Analysis, look: bool = False, leave_out: Collection[Stage[Analysis]] = ()) -> list[Outcome]:
    """Run every stage whose output is not up to date; a blinded signal region is not counted.

    Args:
        analysis: the analysis.
        look: whether to unblind the signal region, which is recorded.
        leave_out: stages that are not wanted.

    Raises:
        ArtifactError: where outputs of other settings are in the way and may not be replaced;
            nothing has been changed then.
        AnomalyError: where a stage fails; earlier stages keep their results.
    """
    if not analysis.overwrite:
        _refuse_replacing(analysis, [item for item in plan_run(analysis) if item.stage not in leave_out])
    outcomes: list[Outcome] = []
    try:
        for stage in chain(analysis):
            if stage in leave_out or (stage.looks and not may_look(analysis, look)):
                continue
            outcomes.append(execute(stage, analysis))
            if stage is SPLIT:
                save_config(analysis.run, analysis.config)
    finally:
        append_log(analysis.run, outcomes)
    return outcomes


def run_stages(analysis: Analysis, stages: Sequence[Stage[Analysis]]) -> list[Outcome]:
    """Run single stages and log them; the configuration becomes that of the run.

    Raises:
        AnomalyError: where one fails; earlier ones keep their results.
    """
    outcomes: list[Outcome] = []
    try:
        for stage in stages:
            outcomes.append(execute(stage, analysis))
            save_config(analysis.run, analysis.config)
    finally:
        append_log(analysis.run, outcomes)
    return outcomes


def may_look(analysis: Analysis, look: bool) -> bool:
    """Return whether the signal region may be looked at; with `look` it is unblinded, which is recorded."""
    digest = configured_identity(analysis).digest
    if look:
        unblind(analysis.run, analysis.config, digest)
    return not is_blinded(analysis.run, digest)


def _refuse_replacing(analysis: Analysis, planned: list[Planned]) -> None:
    for item in planned:
        if item.state is State.OTHER:
            raise ArtifactError(
                f"{item.stage.path(analysis)} already exists and differs from what is asked for ({item.reason});"
                " pass --overwrite to replace what has changed, or another directory with --run"
            )

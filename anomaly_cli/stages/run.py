"""Run: all stages in order, each only where its output is not up to date."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.contents import read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.methods.base import Need
from anomaly_cli.stages.base import make_base, plan_base
from anomaly_cli.stages.blinding import is_blinded, unblind
from anomaly_cli.stages.classify import make_scores, plan_classify
from anomaly_cli.stages.closure import make_closure, plan_closure
from anomaly_cli.stages.frame import Outcome, Plan, Resources, State, append_log, inspect_plan, save_config
from anomaly_cli.stages.inputs import simulation_digests
from anomaly_cli.stages.measurements import configured_digest
from anomaly_cli.stages.permutation import make_permutation
from anomaly_cli.stages.search import require_side_bands_only
from anomaly_cli.stages.significance import make_significance, plan_significance
from anomaly_cli.stages.split import make_split, plan_split
from anomaly_cli.stages.template import configured_method, make_model, make_template, plan_model, plan_sample
from anomaly_cli.stages.validation import make_validation

Planner = Callable[[RunDirectory, Config], Plan]
Maker = Callable[[RunDirectory, Config, Resources, bool], Outcome]


def _plan_base(run: RunDirectory, config: Config) -> Plan:
    return plan_base(run, config, read_split(run))


def _plan_model(run: RunDirectory, config: Config) -> Plan:
    return plan_model(run, config, read_split(run))


def _plan_sample(run: RunDirectory, config: Config) -> Plan:
    model = read_artifact(run.artifact(schema.TEMPLATE_MODEL), schema.TEMPLATE_MODEL, groups=())
    return plan_sample(run, config, read_split(run), model)


def _plan_classify(run: RunDirectory, config: Config) -> Plan:
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE, groups=())
    return plan_classify(run, config, read_split(run), template)


def _plan_significance(run: RunDirectory, config: Config) -> Plan:
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES, groups=())
    return plan_significance(run, config, read_split(run), scores)


def _plan_closure(run: RunDirectory, config: Config) -> Plan:
    template = read_artifact(run.artifact(schema.TEMPLATE), schema.TEMPLATE, groups=())
    return plan_closure(run, config, read_split(run), template)


@dataclass(frozen=True)
class Stage:
    """One stage of the chain: its name, output, plan and action."""

    name: str
    kind: Kind
    plan: Planner
    make: Maker
    command: str


SPLIT = Stage("split", schema.SPLIT, plan_split, make_split, "split")
BASE = Stage("base flow", schema.BASE_FLOW, _plan_base, make_base, "base")
CHAIN = (
    Stage("template model", schema.TEMPLATE_MODEL, _plan_model, make_model, "template"),
    Stage("template", schema.TEMPLATE, _plan_sample, make_template, "template"),
    Stage("classify", schema.SCORES, _plan_classify, make_scores, "classify"),
    Stage("significance", schema.SIGNIFICANCE, _plan_significance, make_significance, "significance"),
    Stage("closure", schema.CLOSURE, _plan_closure, make_closure, "closure"),
)
"""The stages that follow the split in every run."""


def chain(config: Config) -> tuple[Stage, ...]:
    """Return the stages of `anomaly run`, in order; the base flow only where the run has to make its own."""
    needs_base = Need.SHARED_BASE in configured_method(config).needs and not config.template.base
    return (SPLIT, BASE, *CHAIN) if needs_base else (SPLIT, *CHAIN)


@dataclass(frozen=True)
class Planned:
    """What a run would do with one stage, and why."""

    stage: Stage
    state: State
    reason: str


def plan_run(run: RunDirectory, config: Config) -> list[Planned]:
    """Return what a run would do, without doing it.

    Raises:
        AnomalyError: where a setting or an input file cannot be used.
    """
    planned: list[Planned] = []
    is_upstream_current = True
    simulation_digests(config, configured_method(config))  # what is wrong or missing should not cost a split
    for stage in chain(config):
        output = run.artifact(stage.kind)
        if is_upstream_current:
            state, reason = inspect_plan(stage.plan(run, config))
        else:
            state = State.UNDECIDED if output.exists() else State.MISSING
            reason = "kept if the earlier stages give what it was made from" if output.exists() else ""
        is_upstream_current = is_upstream_current and state is State.CURRENT
        planned.append(Planned(stage, state, reason))
    return planned


def run_chain(
    run: RunDirectory,
    config: Config,
    resources: Resources,
    overwrite: bool,
    look: bool = False,
    leave_out: Collection[Kind] = (),
) -> list[Outcome]:
    """Run every stage whose output is not up to date; a blinded signal region is not counted.

    Args:
        run: the run directory.
        config: configuration.
        resources: what may be used.
        overwrite: whether artifacts of other settings may be replaced.
        look: whether to unblind the signal region, which is recorded.
        leave_out: artifacts that are not wanted.

    Raises:
        ArtifactError: where outputs of other settings are in the way and `overwrite` is not given;
            nothing has been changed then.
        AnomalyError: where a stage fails; earlier stages keep their results.
    """
    planned = plan_run(run, config)
    if not overwrite:
        _refuse_replacing(run, [item for item in planned if item.stage.kind not in leave_out])
    outcomes: list[Outcome] = []
    try:
        for stage in chain(config):
            if stage.kind in leave_out or (stage.kind is schema.SIGNIFICANCE and not _may_look(run, config, look)):
                continue
            outcomes.append(stage.make(run, config, resources, overwrite))
            if stage is SPLIT:
                save_config(run, config)
    finally:
        append_log(run, outcomes)
    return outcomes


def refuse_unmeasurable(config: Config) -> None:
    """Refuse a method whose uncertainties cannot be measured, before anything is trained.

    Raises:
        ConfigError: where the method needs more than side-bands, or measurements of another run are named.
    """
    if config.significance.measurements:
        raise ConfigError("--measure and --measurements contradict each other; leave one of them out")
    require_side_bands_only(config, "--measure", also={Need.SHARED_BASE})


def measure_uncertainties(
    run: RunDirectory, config: Config, resources: Resources, overwrite: bool, look: bool
) -> list[Outcome]:
    """Measure over-dispersion and closure of a run, and count with them where that is allowed.

    Over-dispersion comes first: the scatter that it explains in the windows is no non-closure. The count is not made
    before, so that what was interrupted goes on where it stopped.

    Raises:
        AnomalyError: where one cannot be measured; what was measured before is kept.
    """
    may_look = _may_look(run, config, look)
    outcomes: list[Outcome] = []
    try:
        outcomes.append(make_permutation(run, config, resources, overwrite))
        outcomes.append(make_validation(run, config, resources, overwrite))
        if may_look:
            outcomes.append(make_significance(run, config, resources, overwrite=True))
    finally:
        append_log(run, outcomes)
    return outcomes


def _may_look(run: RunDirectory, config: Config, look: bool) -> bool:
    split = read_split(run)
    digest = configured_digest(split, config)
    if look:
        unblind(run, split, digest)
    return not is_blinded(run, split, digest)


def _refuse_replacing(run: RunDirectory, planned: list[Planned]) -> None:
    for item in planned:
        if item.state is State.OTHER:
            raise ArtifactError(
                f"{run.artifact(item.stage.kind)} already exists and differs from what is asked for ({item.reason});"
                " pass --overwrite to replace what has changed, or another directory with --run"
            )

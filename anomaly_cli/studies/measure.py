"""Measure the uncertainties of a run that take further trainings, and count with them."""

from __future__ import annotations

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.search.run import require_side_bands_only
from anomaly_cli.stages.chain import Planned, chain, may_look, plan_stages
from anomaly_cli.stages.closure import SHAREABLE
from anomaly_cli.stages.frame import Analysis, Outcome, State, append_log, execute
from anomaly_cli.stages.provisions import simulation_digests
from anomaly_cli.stages.significance import SIGNIFICANCE
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.windows import WINDOWS


def refuse_unmeasurable(analysis: Analysis) -> None:
    """Refuse a method whose uncertainties cannot be measured, before anything is trained.

    Raises:
        ConfigError: where the method needs more than side-bands, or measurements of another run are named.
    """
    if analysis.config.significance.measurements:
        raise ConfigError("--measure and --measurements contradict each other; leave one of them out")
    require_side_bands_only(analysis.settings, "--measure", SHAREABLE)


def plan_measured(analysis: Analysis) -> list[Planned]:
    """Return what a run with its uncertainties measured would do, in the order in which it is done.

    Raises:
        AnomalyError: where a setting or an input file cannot be used, or uncertainties cannot be measured.
    """
    refuse_unmeasurable(analysis)
    simulation_digests(analysis.config, analysis.settings.method)
    before = [stage for stage in chain(analysis) if stage is not SIGNIFICANCE]
    planned = plan_stages(analysis, [*before, OVERDISPERSION, WINDOWS])
    if all(item.state is State.CURRENT for item in planned):
        return [*planned, *plan_stages(analysis, [SIGNIFICANCE])]
    state = State.RENEWED if SIGNIFICANCE.path(analysis).exists() else State.MISSING
    return [*planned, Planned(SIGNIFICANCE, state, "")]


def measure_uncertainties(analysis: Analysis, look: bool) -> list[Outcome]:
    """Measure over-dispersion and closure of a run, and count with them where that is allowed.

    Over-dispersion comes first: the scatter that it explains in the windows is no non-closure. The count is not made
    before, so that what was interrupted goes on where it stopped.

    Raises:
        AnomalyError: where one cannot be measured; what was measured before is kept.
    """
    looks = may_look(analysis, look)
    outcomes: list[Outcome] = []
    try:
        outcomes.append(execute(OVERDISPERSION, analysis))
        outcomes.append(execute(WINDOWS, analysis))
        if looks:
            outcomes.append(execute(SIGNIFICANCE, analysis.replacing()))
    finally:
        append_log(analysis.run, outcomes)
    return outcomes

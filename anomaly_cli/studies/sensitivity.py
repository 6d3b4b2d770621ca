"""Expected limits and the signal that would be significant, without a look at the signal region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from anomaly_cli.analysis.claim import reason_for_no_claim
from anomaly_cli.analysis.mass_fit import MassFit, refuse_poor_fit
from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.selection import ScoredEvents, ScoredReplicas, select
from anomaly_cli.analysis.sensitivity import expected_sensitivity
from anomaly_cli.artifacts import schema
from anomaly_cli.core.cuts import Cuts
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.count import Cut, build_cut
from anomaly_cli.stages.classify import stored_replicas, stored_scores
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.measurements import Factor, find_measurements
from anomaly_cli.stages.significance import counting_settings
from anomaly_cli.stages.split import stored_split

KEPT = 0.8
"""Share of the nominal template that is used, so that a deficit in the region leaves enough."""
THINNING_SALT = 11


def _inputs(analysis: Analysis) -> Mapping[str, str]:
    return find_measurements(analysis.run, analysis.config, stored_identity(analysis.run).digest).inputs


def _make(analysis: Analysis) -> Made:
    run, cuts = analysis.run, analysis.settings.cuts
    scores, fit = run.read(schema.SCORES), stored_split(run.read(schema.SPLIT)).fit_masses()
    measurements = find_measurements(run, analysis.config, stored_identity(run).digest)
    measured = measurements.of_each(cuts)
    template = stored_scores(scores, "template")
    per_event = len(template.score) / max(len(scores.groups["observed"]["event_id"]), 1)
    thinned = thin(template, per_event * fit.n_expected)
    expected = expected_cuts(thinned, stored_replicas(scores), fit, cuts, measured)
    found = [expected_sensitivity(cut.model, cut.measured.n_windows) for cut in expected]
    tests = [
        {
            "background_efficiency": cut.selection.background_efficiency,
            "n_expected": cut.model.n_expected,
            "uncertainty": cut.model.uncertainty,
            "limits": one.limits,
            "evidence": one.evidence,
            "discovery": one.discovery,
            "claimable": one.claimable,
            "no_claim": no_claim(cut, fit, cuts),
            "n_windows": cut.measured.n_windows,
            "closure_uncertainty": cut.measured.closure,
            "correction": cut.measured.correction,
            "overdispersion": cut.measured.overdispersion,
            "n_experiments": measurements.factors.get(cut.selection.background_efficiency, Factor()).n_experiments,
        }
        for cut, one in zip(expected, found, strict=True)
    ]
    costs = [
        {"test": index, "term": name, "z_gained": gained}
        for index, one in enumerate(found)
        for name, gained in one.costs.items()
    ]
    return Made({"tests": as_columns(tests), "costs": as_columns(costs)})


def thin(template: ScoredEvents, n_nominal: float) -> ScoredEvents:
    """Return part of a template, whose size is that of the expectation: its own tells the events of the region.

    Args:
        template: as many events for each observed one as was asked for.
        n_nominal: the number that there would be for the expected background.
    """
    n = max(round(KEPT * n_nominal, -2), 100)
    order = np.argsort(hash_uniform(template.event_id, THINNING_SALT), kind="stable")
    is_kept = np.zeros(len(order), dtype=np.bool_)
    is_kept[order[: int(n)]] = True
    return template.take(is_kept)


def no_claim(cut: Cut, fit: MassFit, cuts: Cuts) -> str:
    """Return why a cut will allow no claim, as is known before the look; empty where it may."""
    if cut.selection.background_efficiency < cuts.pass_fail_from:
        try:
            refuse_poor_fit(fit, cuts.least_fit_p)
        except PhysicsError as error:
            return str(error).split(";", maxsplit=1)[0]
    return reason_for_no_claim(cut.model.without_systematics(), cut.measured.windows_p)


def expected_cuts(
    template: ScoredEvents,
    replicas: ScoredReplicas | None,
    fit: MassFit,
    cuts: Cuts,
    measured: Mapping[float, Measured],
) -> list[Cut]:
    """Return every cut with the model of the background that is expected; takes no observed event.

    The background efficiency is the one asked for: that of the cut would tell how large the template is.

    Raises:
        PhysicsError: where the template is too small for a cut.
    """
    found = []
    for index, efficiency in enumerate(cuts.background_efficiencies):
        known, selection = measured.get(efficiency, Measured()), select(template, template, efficiency, replicas)
        n_all = round(fit.n_expected)
        selection = replace(selection, efficiency=efficiency, n_all=n_all)
        selection = replace(selection, n_passing=round(n_all * known.at(selection).pass_rate(selection)))
        found.append(build_cut(selection, index, fit, cuts, known))
    return found


SENSITIVITY = Stage(
    name="sensitivity",
    version=2,
    kind=schema.SENSITIVITY,
    settings=counting_settings,
    inputs=_inputs,
    make=_make,
    renewed_by=frozenset({"validation", "overdispersion"}),
)
"""Says what the search can find; of the signal region only the side-band fit's expectation enters."""

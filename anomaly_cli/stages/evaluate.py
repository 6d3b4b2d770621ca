"""Evaluate: what the score gains, on truth that no stage of the analysis has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.roc import area_under_curve, measure_curve, purity, smallest_significance
from anomaly_cli.analysis.selection import ScoredEvents, effective_sources, number_to_keep
from anomaly_cli.analysis.sic import Improvement, measure_improvement
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.errors import ArtifactError, ConfigError, PhysicsError
from anomaly_cli.core.events import Events, effective_number
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.core.truth import Truth
from anomaly_cli.scores.base import SCORES, FittedScore
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import fit_score, scored
from anomaly_cli.search.template import at_unit_weight
from anomaly_cli.stages.classify import scored_columns, stored_score, stored_scores
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import ranking_settings
from anomaly_cli.stages.provisions import refuse_simulated_reference, true_events, truth_digest
from anomaly_cli.stages.split import stored_split

EFFICIENCIES = (0.1, 0.01, 0.001, 0.0002)
"""Background efficiencies; those that keep no reference event are left out."""
FEWEST_REFERENCE = 500
"""Fewer reference background events than this, by effective number, measure nothing."""
IDEALISED, SUPERVISED = "idealised", "supervised"


def refuse_without_truth(analysis: Analysis) -> Truth:
    """Return the truth of labelled data; others are refused.

    Raises:
        ConfigError: where there are no labels.
    """
    found = read_truth(analysis.run)
    if found is None:
        raise ConfigError(
            "evaluate: needs labelled data, and these have no labels; name their master key with 'anomaly split"
            " --labels', or analyse a labelled file"
        )
    return found[0]


def _refuse(analysis: Analysis) -> None:
    """Refuse data without truth, or too little of it held back."""
    truth, sr = refuse_without_truth(analysis), read_regions(analysis.run.read(schema.SPLIT)).sr
    if not len(truth.background(sr)) or not len(truth.signal(sr)):
        raise ConfigError(
            "evaluate: needs labelled data with background held back and signal left over in the signal region;"
            " split them with --reserve 0.4 (and fewer signal events with --inject), or --reference FILE"
        )
    n_reference = effective_number(truth.background(sr).weight)
    if n_reference < FEWEST_REFERENCE:
        raise PhysicsError(
            f"evaluate: {n_reference:.0f} reference background events in the signal region are too few,"
            f" at least {FEWEST_REFERENCE} are needed; hold back more with --reserve"
        )
    refuse_simulated_reference(analysis, analysis.run.read(schema.TEMPLATE), truth.reference)
    stored = analysis.run.read(schema.SCORES)
    now = (canonical_json(ranking_settings(analysis)), analysis.compute.streams.seed)
    if (canonical_json(stored.provenance.settings), stored.provenance.seed) != now:
        raise ArtifactError(
            f"{stored.path}: was made with other settings than the configuration's, so the idealised classifier would"
            " be another one; leave them out, or run 'anomaly classify --run"
            f" {analysis.run.quoted} --overwrite' first"
        )


def _make(analysis: Analysis) -> Made:
    """Measure SIC on reference background and unused signal, for the run's score and what it is compared with.

    The run's classifier was kept; nothing of it is trained again. The idealised template is the reference background
    itself, and the supervised classifier is trained on all test events; both are scored in folds, so that no event is
    scored by a model that saw it.
    """
    run = analysis.run
    truth, template = refuse_without_truth(analysis), run.read(schema.TEMPLATE)
    sr, compute = read_regions(run.read(schema.SPLIT)).sr, analysis.compute
    reference, signal = truth.background(sr), truth.signal(sr)
    background = at_unit_weight(reference, len(reference), compute.streams.generator("evaluate/weights"))
    score, crossfit = stored_score(run.read(schema.CLASSIFIER))
    stored = stored_scores(run.read(schema.SCORES), "template")
    method = str(template.provenance.settings["model"]["method"]["name"])
    compared = [(method, score, effective_sources(stored.source_id, stored.weight))]
    for name in (IDEALISED, SUPERVISED):
        other = _trained(analysis, name, reference, crossfit, compute.named(f"evaluate: {name}"))
        if other is not None:
            compared.append((name, other, float(len(np.unique(reference.source_id)))))
    ranked = [
        [scored(one, events, crossfit.fold(events.source_id)) for events in (background, signal)]
        for _, one, _ in compared
    ]
    tested = _Tested(*_true_numbers(run.read(schema.SPLIT), truth))
    measured = [tested.measure(name, sets[0], sets[1], n) for (name, _, n), sets in zip(compared, ranked, strict=True)]
    groups = {
        name: {key: np.concatenate([np.atleast_1d(one[name][key]) for one in measured]) for key in measured[0][name]}
        for name in measured[0]
    }
    counts = {"n_background": len(background), "n_signal": len(signal), "strength": tested.strength}
    scores = {"background": scored_columns(background, ranked[0][0]), "signal": scored_columns(signal, ranked[0][1])}
    return Made({**groups, "counts": counts, **scores})


@dataclass(frozen=True)
class _Tested:
    """How much signal and background the signal region of the pseudo-data holds."""

    n_signal: int
    n_background: int

    @property
    def strength(self) -> float:
        """S/sqrt(B)."""
        return self.n_signal / float(np.sqrt(max(self.n_background, 1)))

    def measure(
        self, name: str, background: ScoredEvents, signal: ScoredEvents, n_independent: float
    ) -> dict[str, dict[str, Any]]:
        """Return the columns of one classifier in each group of the artifact."""
        gains = [
            {
                **{"method": name, **vars(gain), "sic": gain.sic},
                "purity": purity(gain.signal_efficiency, gain.background_efficiency, self.n_signal, self.n_background),
            }
            for gain in measure_gain(background, signal)
        ]
        curve = measure_curve(background, signal)
        auc, auc_error = area_under_curve(background, signal)
        smallest = smallest_significance(curve, float(self.n_background))
        names = np.full(len(curve.sic), name)
        return {
            "sic": as_columns(gains),
            "curves": {"method": names, **vars(curve), "sic": curve.sic},
            "summary": {
                "method": name,
                "auc": auc,
                "auc_error": auc_error,
                "least_reliable": curve.least_reliable,
                "sigma_min": smallest.strength,
                "sigma_min_efficiency": smallest.background_efficiency,
                "n_independent": n_independent,
            },
        }


def _true_numbers(split: Artifact, truth: Truth) -> tuple[int, int]:
    """Return how many events of the signal region are signal, and how many background."""
    is_signal = truth.is_signal[split.groups["sr"]["event_id"]]
    return int(is_signal.sum()), int((~is_signal).sum())


EVALUATE = Stage(
    name="evaluate",
    version=8,
    kind=schema.EVALUATION,
    settings=ranking_settings,
    inputs=lambda analysis: {"truth": truth_digest(analysis)},
    make=_make,
    refuse=_refuse,
)
"""Measures what the score gains on truth."""


def _trained(
    analysis: Analysis, name: str, background: Events, crossfit: CrossFit, compute: Compute
) -> FittedScore | None:
    """Train the run's classifier against true background instead of the template, or on truth, in the same folds.

    None where there is too little true signal for the second.
    """
    settings = replace(analysis.settings, score=SCORES.make("cwola" if name == IDEALISED else name, {}))
    split = stored_split(analysis.run.read(schema.SPLIT))
    template = Template((TemplatePart(background),), crossfit.without_parts())
    provisions = Provisions(true=true_events(analysis) if name == SUPERVISED else None)
    try:
        return fit_score(split, template, settings, provisions, compute)
    except PhysicsError:
        if name == SUPERVISED:
            return None
        raise


def measure_gain(background: ScoredEvents, signal: ScoredEvents) -> list[Improvement]:
    """Measure SIC at each background efficiency that keeps an event of every fold.

    Args:
        background: scored true background in the signal region, at unit weight.
        signal: scored unused signal there.
    """
    fold, source = background.fold, background.source_id
    smallest = min(
        effective_sources(source[fold == index], np.ones((fold == index).sum())) for index in np.unique(fold)
    )
    return [
        measure_improvement(background, signal, efficiency)
        for efficiency in EFFICIENCIES
        if number_to_keep(int(smallest), efficiency) >= 1
    ]

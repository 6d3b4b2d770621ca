"""Evaluate: what the score gains, on truth that no stage of the analysis has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import ScoredEvents, effective_sources, number_to_keep
from anomaly_cli.analysis.sic import Improvement, improvement_error, measure_improvement
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_truth
from anomaly_cli.artifacts.provenance import canonical_json
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
from anomaly_cli.stages.classify import scored_columns, stored_score
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import ranking_settings
from anomaly_cli.stages.provisions import refuse_simulated_reference, truth_digest
from anomaly_cli.stages.split import stored_split

EFFICIENCIES = (0.1, 0.01, 0.001)
"""Background efficiencies; those that keep no reference event are left out."""
FEWEST_REFERENCE = 500
"""Fewer reference background events than this, by effective number, measure nothing."""
IDEALISED = "idealised"


def _refuse(analysis: Analysis) -> None:
    """Refuse data without truth, or too little of it held back."""
    found, sr = read_truth(analysis.run), read_regions(analysis.run.read(schema.SPLIT)).sr
    if found is None:
        raise ConfigError(
            "evaluate: needs labelled data, and these have no labels; name their master key with 'anomaly split"
            " --labels', or analyse a labelled file"
        )
    if not len(found[0].background(sr)) or not len(found[0].signal(sr)):
        raise ConfigError(
            "evaluate: needs labelled data with background held back and signal left over in the signal region;"
            " split them with --reserve 0.4 (and fewer signal events with --inject), or --reference FILE"
        )
    n_reference = effective_number(found[0].background(sr).weight)
    if n_reference < FEWEST_REFERENCE:
        raise PhysicsError(
            f"evaluate: {n_reference:.0f} reference background events in the signal region are too few,"
            f" at least {FEWEST_REFERENCE} are needed; hold back more with --reserve"
        )
    refuse_simulated_reference(analysis, analysis.run.read(schema.TEMPLATE), found[0].reference)
    stored = analysis.run.read(schema.SCORES)
    now = (canonical_json(ranking_settings(analysis)), analysis.compute.streams.seed)
    if (canonical_json(stored.provenance.settings), stored.provenance.seed) != now:
        raise ArtifactError(
            f"{stored.path}: was made with other settings than the configuration's, so the idealised classifier would"
            " be another one; leave them out, or run 'anomaly classify --run"
            f" {analysis.run.path} --overwrite' first"
        )


def _make(analysis: Analysis) -> Made:
    """Measure SIC on reference background and unused signal, for the run's score and the idealised one.

    The run's classifier was kept; nothing of it is trained again. The idealised template is the reference background
    itself; being scored in folds, no event is scored by a model that saw it.
    """
    run = analysis.run
    truth, template = _truth(analysis), run.read(schema.TEMPLATE)
    sr, compute = read_regions(run.read(schema.SPLIT)).sr, analysis.compute
    reference, signal = truth.background(sr), truth.signal(sr)
    background = at_unit_weight(reference, len(reference), compute.streams.generator("evaluate/weights"))
    named = compute.named(f"evaluate: {IDEALISED} template")
    method = str(template.provenance.settings["model"]["method"]["name"])
    score, crossfit = stored_score(run.read(schema.CLASSIFIER))
    kept, ideal = (
        tuple(scored(one, events, crossfit.fold(events.source_id)) for events in (background, signal))
        for one in (score, _idealised(analysis, reference, crossfit, named))
    )
    rows = [
        {"method": name, **vars(gain), "sic": gain.sic}
        for name, ranked in ((method, kept), (IDEALISED, ideal))
        for gain in measure_gain(*ranked)
    ]
    groups = {"background": scored_columns(background, kept[0]), "signal": scored_columns(signal, kept[1])}
    counts: Mapping[str, Any] = {"n_background": len(background), "n_signal": len(signal)}
    return Made({"sic": as_columns(rows), "counts": counts, **groups})


EVALUATE = Stage(
    name="evaluate",
    version=6,
    kind=schema.EVALUATION,
    settings=ranking_settings,
    inputs=lambda analysis: {"truth": truth_digest(analysis)},
    make=_make,
    refuse=_refuse,
)
"""Measures what the score gains on truth."""


def _truth(analysis: Analysis) -> Truth:
    found = read_truth(analysis.run)
    if found is None:
        raise ConfigError("evaluate: needs labelled data")
    return found[0]


def _idealised(analysis: Analysis, background: Events, crossfit: CrossFit, compute: Compute) -> FittedScore:
    """Train the run's classifier against true background instead of the template, in the same folds."""
    settings = replace(analysis.settings, score=SCORES.make("cwola", {}))
    split = stored_split(analysis.run.read(schema.SPLIT))
    template = Template((TemplatePart(background),), crossfit.without_parts())
    return fit_score(split, template, settings, Provisions(), compute)


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
        replace(
            measure_improvement(background, signal, efficiency),
            sic_error=improvement_error(background, signal, efficiency),
        )
        for efficiency in EFFICIENCIES
        if number_to_keep(int(smallest), efficiency) >= 1
    ]

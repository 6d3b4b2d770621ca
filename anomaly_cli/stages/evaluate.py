"""Evaluate: what the classifier gains, on truth that no stage of the analysis has seen."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import effective_sources, number_to_keep
from anomaly_cli.analysis.sic import Improvement, improvement_error, measure_improvement
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import Truth, read_regions, read_split, read_template, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.classifiers import kfold
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events, effective_number
from anomaly_cli.methods.base import Training
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.inputs import refuse_simulated_reference
from anomaly_cli.stages.scoring import Contest, score
from anomaly_cli.stages.search import scored
from anomaly_cli.stages.template import at_unit_weight

STAGE, VERSION = "evaluate", 4
EFFICIENCIES = (0.1, 0.01, 0.001)
"""Background efficiencies; those that keep no reference event are left out."""
FEWEST_REFERENCE = 500
"""Fewer reference background events than this, by effective number, measure nothing."""
IDEALISED = "idealised"


def plan_evaluate(run: RunDirectory, config: Config, split: Artifact, template: Artifact, truth: Truth) -> Plan:
    """Return the plan of the evaluation."""
    settings = {**dataclasses.asdict(config.classifier), "threads": config.threads}
    inputs = {"split": split.digest, "template": template.digest, "truth": truth.digest}
    return Plan(STAGE, run.artifact(schema.EVALUATION), Provenance(STAGE, VERSION, settings, config.seed, inputs))


def make_evaluation(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Measure SIC on reference background and unused signal, for the run's template and the idealised one.

    The classifier is trained again exactly as in the run (same streams). The idealised template is the
    reference background itself; being scored in folds, no event is scored by a model that saw it.

    Raises:
        ConfigError: where the data have no truth, nothing was held back, or the template was made from what was.
    """
    split = read_split(run)
    template = read_template(run, split)
    truth = read_truth(run, split)
    sr = read_regions(split).sr
    if truth is None or not len(truth.background(sr)) or not len(truth.signal(sr)):
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
    plan = plan_evaluate(run, config, split, template, truth)
    contest = Contest.read(split, template, truth, sr)
    method = str(template.provenance.settings["method"])
    sets = _Sets(method, contest, truth.background(sr), truth.signal(sr))

    def make() -> None:
        refuse_simulated_reference(config, split, template, truth.reference)
        _make(plan, config, resources, sets)

    return execute(plan, overwrite, make)


@dataclass(frozen=True)
class _Sets:
    method: str
    contest: Contest
    background: Events
    signal: Events


def _make(plan: Plan, config: Config, resources: Resources, sets: _Sets) -> None:
    ideal = replace(sets.contest, template=sets.background, training=Training.OBSERVED_AGAINST_TEMPLATE)
    rows = [
        {"method": method, **vars(gain), "sic": gain.sic}
        for method, contest in ((sets.method, sets.contest), (IDEALISED, ideal))
        for gain in measure_gain(method, contest, sets.background, sets.signal, config, resources)
    ]
    groups: dict[str, dict[str, Any]] = {
        "sic": {name: [row[name] for row in rows] for name in rows[0]},
        "counts": {"n_background": len(sets.background), "n_signal": len(sets.signal)},
    }
    write_artifact(plan.output, schema.EVALUATION, groups, plan.provenance)


def measure_gain(
    method: str, contest: Contest, background: Events, signal: Events, config: Config, resources: Resources
) -> list[Improvement]:
    """Train the run's classifier again and measure SIC on events that it has not seen.

    Args:
        method: name of the method, for the report of progress.
        contest: what the classifier is trained on.
        background: true background in the signal region; where it has weights, it is drawn by them for the cut.
        signal: unused signal there.
        config: settings of the classifier.
        resources: streams, threads, processes.

    Returns:
        the gain at each background efficiency that keeps an event of every fold.
    """
    workers = kfold.Resources(
        resources.processes, resources.threads, resources.progress, f"evaluate: {method} template"
    )
    background = at_unit_weight(background, len(background), resources.streams("evaluate").generator("weights"))
    scores = score(contest, [background, signal], config.classifier, resources.streams("classify"), workers)
    scored_background, scored_signal = scored(background, scores[2]), scored(signal, scores[3])
    fold, source = scored_background.fold, scored_background.source_id
    smallest = min(
        effective_sources(source[fold == index], np.ones((fold == index).sum())) for index in np.unique(fold)
    )
    return [
        replace(
            measure_improvement(scored_background, scored_signal, efficiency),
            sic_error=improvement_error(scored_background, scored_signal, efficiency),
        )
        for efficiency in EFFICIENCIES
        if number_to_keep(int(smallest), efficiency) >= 1
    ]

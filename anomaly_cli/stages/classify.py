"""Classify: observed signal-region events against the template, in folds by source event."""

from __future__ import annotations

import dataclasses
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split, read_template, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.classifiers import kfold
from anomaly_cli.config import Config
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import FoldScores
from anomaly_cli.methods.base import Need
from anomaly_cli.methods.registry import find_methods
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.scoring import Contest, score

STAGE, VERSION = "classify", 1


def plan_classify(run: RunDirectory, config: Config, split: Artifact, template: Artifact) -> Plan:
    """Return the plan of the classification."""
    settings = {**dataclasses.asdict(config.classifier), "threads": config.threads}
    inputs = {"split": split.digest, "template": template.digest}
    return Plan(STAGE, run.artifact(schema.SCORES), Provenance(STAGE, VERSION, settings, config.seed, inputs))


def make_scores(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Train the classifier in folds and write the scores of observed and template events.

    Raises:
        AnomalyError: where an artifact is missing or there are too few events.
    """
    split = read_split(run)
    template = read_template(run, split)
    plan = plan_classify(run, config, split, template)

    is_supervised = Need.TRUTH in find_methods()[template.provenance.settings["method"]].needs
    truth = read_truth(run, split) if is_supervised else None

    def make() -> None:
        contest = Contest.read(split, template, truth, read_regions(split).sr)
        workers = kfold.Resources(resources.processes, resources.threads, resources.progress)
        scores = score(contest, [], config.classifier, resources.streams("classify"), workers)
        groups = {
            "observed": _columns(contest.observed, scores[0]),
            "template": _columns(contest.template, scores[1]),
        }
        write_artifact(plan.output, schema.SCORES, groups, plan.provenance)

    return execute(plan, overwrite, make)


def _columns(events: Events, scores: FoldScores) -> dict[str, Any]:
    return {
        "mjj": events.mjj,
        "event_id": events.event_id,
        "source_id": events.source_id,
        "weight": events.weight,
        "fold": scores.fold,
        "score": scores.score,
    }

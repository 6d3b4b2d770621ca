"""Label permutation: what training in folds does to the counts where there is nothing to find.

Folds share training events, so fluctuations enter the combined count more than once and it scatters more
than Poisson. If template and data are alike, their labels can be exchanged: permuting them, training
again and counting again shows the scatter. For the labels to be exchangeable, every source is used once.

References:
    C. Hein, B. Nachman, D. Shih, 2025, arXiv:2512.13787 (calibration of k-fold searches).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.modelling import Measured, model_by_fail
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import select
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_split, read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.classifiers import kfold
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import Training
from anomaly_cli.stages.blinding import is_blinded, permission
from anomaly_cli.stages.counting import loosest_first
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.measurements import configured_digest, settings_digest
from anomaly_cli.stages.search import scored
from anomaly_cli.stages.template import configured_method

STAGE, VERSION = "permutation", 2


def plan_permutation(run: RunDirectory, config: Config, split: Artifact, template: Artifact) -> Plan:
    """Return the plan of the label permutation.

    Raises:
        ArtifactError: where the template has other settings than the configuration.
    """
    digest = configured_digest(split, config)
    classifier = {**asdict(config.classifier), "threads": config.threads}
    if settings_digest(split, template.provenance.settings, classifier) != digest:
        raise ArtifactError(
            f"{template.path}: was made with other settings than the configuration's, so its over-dispersion would be"
            " filed under the wrong ones; run 'anomaly template --overwrite' first"
        )
    settings = {
        "background_efficiencies": loosest_first(config.significance.background_efficiencies),
        "permutations": config.significance.permutations,
        "is_blinded": is_blinded(run, split, digest),
        "settings_digest": digest,
    }
    inputs = {"split": split.digest, "template": template.digest, **permission(run, split, digest)}
    provenance = Provenance(STAGE, VERSION, settings, config.seed, inputs)
    return Plan(STAGE, run.artifact(schema.PERMUTATION), provenance)


def make_permutation(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Permute labels, train and count again, and write the permutation artifact.

    Raises:
        AnomalyError: where an artifact is missing, or there are too few events, or nothing to permute.
    """
    split = read_split(run)
    template = read_template(run, split)
    if configured_method(config).training is not Training.OBSERVED_AGAINST_TEMPLATE:
        raise ConfigError(
            f"label permutation: method {config.template.method} does not train data against one template, so there are"
            " no labels to permute; use a method that does"
        )
    plan = plan_permutation(run, config, split, template)
    look = not plan.provenance.settings["is_blinded"]

    def make() -> None:
        observed = split.events("sr")
        single = _use_sources_once(template.events("events"), resources.streams("permutation"))
        pool = _with_own_ids(concatenate([observed, single]))
        n_permutations = config.significance.permutations
        z = []
        for index in range(n_permutations):
            resources.progress(Step("label permutation", index, n_permutations))
            streams = resources.streams(f"permutation/{index}")
            order = streams.generator("labels").permutation(len(pool))
            z.append(_count(pool.take(order), len(observed), config, streams, resources))
        true_z = np.full(len(config.significance.background_efficiencies), np.nan)
        if look:
            true_z = _count(pool, len(observed), config, resources.streams("permutation/true"), resources)
        resources.progress(Step("label permutation", n_permutations, n_permutations))
        groups = _groups(np.array(z), true_z, loosest_first(config.significance.background_efficiencies))
        groups["counts"] = {"n_observed": len(observed), "n_template": len(single)}
        write_artifact(plan.output, schema.PERMUTATION, groups, plan.provenance)

    return execute(plan, overwrite, make)


def _use_sources_once(template: Events, streams: Streams) -> Events:
    """Return one template event per source, chosen at random."""
    order = streams.generator("sources").permutation(len(template))
    _, first = np.unique(template.source_id[order], return_index=True)
    return template.take(order[first])


def _with_own_ids(events: Events) -> Events:
    """Number events anew, each its own source, so that nothing but the label tells them apart."""
    ids = np.arange(len(events))
    return replace(events, event_id=ids, source_id=ids, weight=np.ones(len(events)))


def _count(events: Events, n_observed: int, config: Config, streams: Streams, resources: Resources) -> FloatArray:
    """Return signed z per cut, the first `n_observed` events taken as observed and the others as template."""
    sets = [events.take(np.arange(n_observed)), events.take(np.arange(n_observed, len(events)))]
    workers = kfold.Resources(resources.processes, resources.threads, silent)
    scores = kfold.score_in_folds(sets, config.classifier, streams.child("classify"), workers)
    observed, template = (scored(part, score) for part, score in zip(sets, scores, strict=True))
    efficiencies = loosest_first(config.significance.background_efficiencies)
    models = [model_by_fail("permuted", select(observed, template, eff), Measured()) for eff in efficiencies]
    return np.array([float(signed_root(model.experiment())) for model in models])


def _groups(z: FloatArray, true_z: FloatArray, efficiencies: list[float]) -> dict[str, Any]:
    n, spread = len(z), z.std(axis=0, ddof=1)
    reached = (z >= true_z).sum(axis=0)
    return {
        "permutations": {"z": z},
        "tests": {
            "background_efficiency": efficiencies,
            "overdispersion": spread,
            "overdispersion_error": spread / np.sqrt(2.0 * (n - 1)),
            "mean": z.mean(axis=0),
            "z_observed": true_z,
            "p_permutation": np.where(np.isnan(true_z), np.nan, (1 + reached) / (n + 1)),
        },
    }

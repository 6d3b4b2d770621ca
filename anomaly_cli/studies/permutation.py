"""Label permutation: what training in folds does to the counts where there is nothing to find.

Folds share training events, so fluctuations enter the combined count more than once and it scatters more
than Poisson. If template and data are alike, their labels can be exchanged: permuting them, training
again and counting again shows the scatter. For the labels to be exchangeable, every source is used once.

References:
    C. Hein, B. Nachman, D. Shih, 2025, arXiv:2512.13787 (calibration of k-fold searches).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.modelling import Measured, model_by_fail
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.analysis.selection import select
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.classifiers.kfold import Contest
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import NONE, CrossFit
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.streams import Streams
from anomaly_cli.scores.base import FittedEnsembles, Ranking
from anomaly_cli.search.rank import scored
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.stages.blinding import is_blinded, permission
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.template import template_settings

PERMUTED_SCORE = "cwola"
"""The score of which label permutation measures the over-dispersion."""


def _refuse(analysis: Analysis) -> None:
    """Refuse a score without labels to permute, and a template that is not the configuration's."""
    settings = analysis.settings
    if not settings.score.is_exchangeable:
        raise ConfigError(
            f"label permutation: method {settings.method.name} with score {settings.score.name} does not train data"
            " against one template, so there are no labels to permute; use a method that does"
        )
    if settings.score.name != PERMUTED_SCORE:
        raise ConfigError(
            f"label permutation: trains the classifier of score {PERMUTED_SCORE} for every permutation, so it says"
            f" nothing of score {settings.score.name}; leave it out"
        )
    template = analysis.run.read(schema.TEMPLATE)
    if canonical_json(template.provenance.settings) != canonical_json(template_settings(analysis)):
        raise ArtifactError(
            f"{template.path}: was made with other settings than the configuration's, so its over-dispersion would be"
            " filed under the wrong ones; run 'anomaly template --overwrite' first"
        )


def _settings(analysis: Analysis) -> dict[str, Any]:
    digest = configured_identity(analysis).digest
    return {
        "background_efficiencies": analysis.settings.cuts.loosest_first,
        "permutations": analysis.config.significance.permutations,
        "is_blinded": is_blinded(analysis.run, digest),
        "settings_digest": digest,
    }


def _inputs(analysis: Analysis) -> dict[str, str]:
    run = analysis.run
    inputs = {name: run.read(kind).digest for name, kind in (("split", schema.SPLIT), ("template", schema.TEMPLATE))}
    return {**inputs, **permission(run, configured_identity(analysis).digest)}


def _make(analysis: Analysis) -> Made:
    run, compute, settings = analysis.run, analysis.compute, analysis.settings
    observed = run.read(schema.SPLIT).events("sr")
    single = use_sources_once(run.read(schema.TEMPLATE).events("events"), compute.streams.child("permutation"))
    pool = _with_own_ids(concatenate([observed, single]))
    n_permutations = analysis.config.significance.permutations
    z = []
    for index in range(n_permutations):
        compute.progress(Step("label permutation", index, n_permutations))
        own = compute.child(f"permutation/{index}")
        order = own.streams.generator("labels").permutation(len(pool))
        z.append(_count(pool.take(order), len(observed), settings, own))
    true_z = np.full(len(settings.cuts.loosest_first), np.nan)
    if not is_blinded(run, configured_identity(analysis).digest):
        true_z = _count(pool, len(observed), settings, compute.child("permutation/true"))
    compute.progress(Step("label permutation", n_permutations, n_permutations))
    groups = _groups(np.array(z), true_z, settings.cuts.loosest_first)
    return Made({**groups, "counts": {"n_observed": len(observed), "n_template": len(single)}})


PERMUTATION = Stage(
    name="permutation",
    version=3,
    kind=schema.PERMUTATION,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    refuse=_refuse,
)
"""Permutes labels, trains and counts again."""


def use_sources_once(template: Events, streams: Streams) -> Events:
    """Return one template event per source, chosen at random."""
    order = streams.generator("sources").permutation(len(template))
    _, first = np.unique(template.source_id[order], return_index=True)
    return template.take(order[first])


def _with_own_ids(events: Events) -> Events:
    """Number events anew, each its own source, so that nothing but the label tells them apart."""
    ids = np.arange(len(events))
    return replace(events, event_id=ids, source_id=ids, weight=np.ones(len(events)))


def _count(events: Events, n_observed: int, settings: SearchSettings, compute: Compute) -> FloatArray:
    """Return signed z per cut, the first `n_observed` events taken as observed and the others as template."""
    sets = [events.take(np.arange(n_observed)), events.take(np.arange(n_observed, len(events)))]
    quiet = replace(compute.child("classify"), progress=silent)
    crossfit = CrossFit(NONE, settings.kfold.folds, compute.streams.integer("folds"))
    folds = (crossfit.fold(sets[0].source_id), crossfit.fold(sets[1].source_id))
    ranking = Ranking(settings.classifier, settings.kfold, crossfit)
    fitted = FittedEnsembles(ranking.train(Contest(sets[0], sets[1], folds), quiet))
    observed, template = (scored(fitted, part, fold) for part, fold in zip(sets, folds, strict=True))
    models = [
        model_by_fail("permuted", select(observed, template, efficiency), Measured())
        for efficiency in settings.cuts.loosest_first
    ]
    return np.array([float(signed_root(model.experiment())) for model in models])


def _groups(z: FloatArray, true_z: FloatArray, efficiencies: list[float]) -> dict[str, Mapping[str, Any]]:
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

"""Label permutation: what training in folds does to the counts where there is nothing to find.

Folds share training events, so fluctuations enter the combined count more than once and it scatters more
than Poisson. If template and data are alike, their labels can be exchanged: permuting them, training
again and counting again shows the scatter. For the labels to be exchangeable, every source is used once.

References:
    M. Hein, B. Nachman, D. Shih, 2025, arXiv:2512.13787 (calibration of k-fold searches).
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
from anomaly_cli.artifacts.pieces import Pieces
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.progress import Step, silent
from anomaly_cli.core.seen import Need
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.stages.blinding import is_blinded, permission
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.split import stored_split
from anomaly_cli.stages.template import refuse_other_template

GIVEN = frozenset({Need.SIDE_BANDS, Need.SR_FEATURES})
"""What a permutation has for a score; the features are those of the events that it calls observed."""


def _refuse(analysis: Analysis) -> None:
    """Refuse a score without labels to permute, and a template that is not the configuration's."""
    method, score = analysis.settings.method, analysis.settings.score
    if not score.is_exchangeable:
        raise ConfigError(
            f"label permutation: method {method.name} with score {score.name} does not train data against one template"
            " (it does not declare is_exchangeable), so there are no labels to permute; use a score that does"
        )
    if score.needs - GIVEN:
        needed = ", ".join(sorted(need.value for need in score.needs - GIVEN))
        raise ConfigError(
            f"label permutation: score {score.name} needs {needed}, which has no labels to permute; use a score that"
            " needs observed events and the template only"
        )
    refuse_other_template(analysis, "its permutations")


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
    split = stored_split(run.read(schema.SPLIT))
    single = use_sources_once(run.read(schema.TEMPLATE).events("events"), compute.streams.child("permutation"))
    pool, split = _with_own_ids(concatenate([split.sr, single]), split)
    n_permutations = analysis.config.significance.permutations
    pieces = Pieces.of(run, PERMUTATION.plan(analysis))
    done = pieces.find(n_permutations)
    for index in (index for index in range(n_permutations) if index not in done):
        compute.progress(Step("label permutation", len(done), n_permutations))
        own = compute.child(f"permutation/{index}")
        order = own.streams.generator("labels").permutation(len(pool))
        done[index] = pieces.keep(index, _count(pool.take(order), split, settings, own).tolist())
    true_z = np.full(len(settings.cuts.loosest_first), np.nan)
    if not is_blinded(run, configured_identity(analysis).digest):
        true_z = _count(pool, split, settings, compute.child("permutation/true"))
    compute.progress(Step("label permutation", n_permutations, n_permutations))
    z = np.array([done[index] for index in range(n_permutations)])
    groups = _groups(z, true_z, settings.cuts.loosest_first)
    return Made({**groups, "counts": {"n_observed": len(split.sr), "n_template": len(single)}})


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


def _with_own_ids(pool: Events, split: Split) -> tuple[Events, Split]:
    """Number events anew, each its own source, so that nothing but the label tells them apart.

    Args:
        pool: events whose labels are permuted.
        split: of the run; a side-band event that one of them was made from shares its number, and so its fold.
    """
    ids = np.arange(len(pool))
    own = replace(pool, event_id=ids, source_id=ids, weight=np.ones(len(pool)))
    bands, first = [], len(pool)
    for band in (split.sb1, split.sb2):
        number, fresh = _places(band.source_id, pool.source_id), first + np.arange(len(band))
        bands.append(replace(band, event_id=fresh, source_id=np.where(number < 0, fresh, number)))
        first += len(band)
    return own, replace(split, sb1=bands[0], sb2=bands[1])


def _places(wanted: IntArray, known: IntArray) -> IntArray:
    """Return where each id stands first among the known ones `(n,)`; -1 for those that do not."""
    order = np.argsort(known, kind="stable")
    place = order[np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)]
    found: IntArray = np.where(known[place] == wanted, place, -1)
    return found


def _count(events: Events, split: Split, settings: SearchSettings, compute: Compute) -> FloatArray:
    """Return signed z per cut, as many of the first events taken as observed as there are, the others as template."""
    n_observed = len(split.sr)
    observed, made = (events.take(part) for part in np.split(np.arange(len(events)), [n_observed]))
    quiet, called = replace(compute, progress=silent), replace(split, sr=observed)
    ranked = rank(called, Template((TemplatePart(made),)), settings, Provisions(), quiet)
    models = [
        model_by_fail("permuted", select(ranked.observed, ranked.template, efficiency), Measured())
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

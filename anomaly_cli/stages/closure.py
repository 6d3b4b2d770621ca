"""Closure: can boosted trees tell the template from background?

In the side-bands: the trained method moves its training events to side-band masses; they are compared,
with mjj among the features, with side-band events that its flows were not trained on. With truth: template
against true background in the signal region. On request, in signal-free windows: the method trained anew
with the signal region moved there, against the events of the window. Beside each stands the same figure for
untouched side-band events.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.distances import measure_distances
from anomaly_cli.analysis.quality import Sampled, Separation, measure_separation
from anomaly_cli.analysis.selection import effective_sources
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import Truth, read_regions, read_split, read_template, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, read_artifact, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Step
from anomaly_cli.methods.base import Need
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.inputs import refuse_simulated_reference, shared_base
from anomaly_cli.stages.search import is_searchable, make_search_template, require_side_bands_only
from anomaly_cli.stages.template import configured_method, load_fitted, method_of
from anomaly_cli.stages.validation import find_searches

STAGE, VERSION = "closure", 3
SIDE_BANDS = "side-bands, held-out events"
TRUE_BACKGROUND = "signal region, true background"
TEMPLATE, UNTOUCHED = "template", "untouched side-bands"


@dataclass(frozen=True)
class _Check:
    name: str
    template: Sampled
    untouched: Sampled
    compared: Sampled
    uses_truth: bool


def plan_closure(run: RunDirectory, config: Config, split: Artifact, template: Artifact) -> Plan:
    """Return the plan of the closure stage."""
    truth = read_truth(run, split)
    inputs = {"split": split.digest, "template": template.digest, "truth": truth.digest if truth else "none"}
    settings: dict[str, object] = {"threads": config.threads, "windows": config.closure.windows}
    if config.closure.windows:
        settings |= {
            "method": dataclasses.asdict(configured_method(config)),
            "oversampling": config.template.oversampling,
            "window_width": config.significance.window_width,
            "most_windows": config.significance.windows,
        }
    provenance = Provenance(STAGE, VERSION, settings, config.seed, inputs)
    return Plan(STAGE, run.artifact(schema.CLOSURE), provenance)


def make_closure(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Measure closure in the side-bands and, where truth is known, in the signal region.

    Raises:
        AnomalyError: where an artifact is missing or belongs to other events.
    """
    split = read_split(run)
    template = read_template(run, split)
    plan = plan_closure(run, config, split, template)

    def make() -> None:
        checks = [
            *_side_band_check(run, config, split, template, resources),
            *_truth_check(run, config, split, template),
        ]
        if config.closure.windows:
            checks += _window_checks(run, config, split, resources)
        rows, distances = [], []
        for done, check in enumerate(checks):
            resources.progress(Step("closure", done, len(checks), check.name))
            rows.append(_measure(check, resources))
            distances += [
                _distances(check, points, len(split.features), resources)
                for points in ((TEMPLATE, check.template), (UNTOUCHED, check.untouched))
            ]
        resources.progress(Step("closure", len(checks), len(checks)))
        groups = {
            "checks": _columns(rows, "checks"),
            "distances": _columns(distances, "distances"),
            "counts": _counts(run, split, template),
        }
        write_artifact(plan.output, schema.CLOSURE, groups, plan.provenance)

    return execute(plan, overwrite, make)


def _measure(check: _Check, resources: Resources) -> dict[str, Any]:
    seed = resources.streams("closure").integer(check.name)
    found: Separation = measure_separation(check.template, check.compared, seed, resources.threads)
    baseline = measure_separation(check.untouched, check.compared, seed, resources.threads)
    return {
        "check": check.name,
        "auc": found.auc,
        "auc_error": found.error,
        "baseline_auc": baseline.auc,
        "n_template": len(check.template.points),
        "n_compared": len(check.compared.points),
        "uses_truth": check.uses_truth,
    }


def _distances(check: _Check, named: tuple[str, Sampled], d: int, resources: Resources) -> dict[str, Any]:
    """Measure the distances in the `d` features."""
    name, sampled = named
    generator = resources.streams("closure").generator(f"distances/{check.name}")
    points, compared = (_independent(part, generator)[:, :d] for part in (sampled, check.compared))
    return {"check": check.name, "points": name, **vars(measure_distances(points, compared, generator))}


def _independent(sampled: Sampled, generator: np.random.Generator) -> FloatArray:
    """Return one point of each source `(n, d)`, kept as likely as the source has weight.

    The errors of the distances are those of independent events, which copies of a source are not.
    """
    order = generator.permutation(len(sampled.points))
    _, first, index = np.unique(sampled.source_id[order], return_index=True, return_inverse=True)
    weight = np.bincount(index, weights=sampled.weight[order])
    is_kept = generator.random(len(first)) * weight.max() < weight
    points: FloatArray = sampled.points[order[first[is_kept]]]
    return points


def _columns(rows: list[dict[str, Any]], group: str) -> dict[str, Any]:
    columns = schema.CLOSURE.groups[group].columns
    if not rows:
        return {name: np.zeros((0,) * len(column.shape.split(","))) for name, column in columns.items()}
    return {name: np.array([row[name] for row in rows]) for name in columns}


def _counts(run: RunDirectory, split: Artifact, template: Artifact) -> dict[str, Any]:
    events = template.events("events")
    method = method_of(template.provenance.settings["model"])
    model = read_artifact(run.artifact(schema.TEMPLATE_MODEL), schema.TEMPLATE_MODEL)
    n_training = sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sb2"))
    clipped = model.groups["scaling"]["n_clipped"].max() / n_training if "scaling" in model.groups else 0.0
    held = template.groups["clipped"]["n_clipped"].max() / len(events) if "clipped" in template.groups else 0.0
    return {
        "n_template": len(events),
        "n_sources": effective_sources(events.source_id, events.weight),
        "clipped_training": clipped,
        "clipped_template": held,
        "has_windows": is_searchable(method, {Need.SHARED_BASE}),
        "mixes_sources": method.mixes_sources,
    }


def _side_band_check(
    run: RunDirectory, config: Config, split: Artifact, template: Artifact, resources: Resources
) -> list[_Check]:
    """Make the template at side-band masses, to be compared with events that the training has not seen.

    A method that moves events of another place than the side-bands does not do there what it does in use, and of one
    that mixes several events no part is without held-out ones.
    """
    model = read_artifact(run.artifact(schema.TEMPLATE_MODEL), schema.TEMPLATE_MODEL)
    if template.provenance.inputs["template_model"] != model.digest:
        raise ArtifactError(
            f"{model.path}: is not the model that {template.path.name} was sampled from; run 'anomaly template"
            " --overwrite' without --from-model, or put that model in its place"
        )
    method = method_of(model.provenance.settings)
    if method.chooses_mass or method.mixes_sources or Need.SIMULATION in method.needs:
        return []
    fitted, inputs = load_fitted(run, config, split, model)
    held_out = inputs.side_bands.take(inputs.is_validation)
    generator = resources.streams("closure").generator("masses")
    trained = inputs.side_bands.take(~inputs.is_validation)
    masses = trained.mjj[generator.integers(len(trained), size=4 * len(held_out))]
    sampled = fitted.sample(masses, resources.streams("closure/sample")).events
    moved = sampled.take(~np.isin(sampled.source_id, held_out.event_id))
    untouched = trained.take(generator.integers(len(trained), size=len(masses)))
    return [
        _Check(
            SIDE_BANDS,
            Sampled(np.column_stack([moved.features, moved.mjj]), moved.source_id, moved.weight),
            Sampled(np.column_stack([untouched.features, masses]), untouched.source_id, untouched.weight),
            Sampled(np.column_stack([held_out.features, held_out.mjj]), held_out.source_id, held_out.weight),
            False,
        )
    ]


def _window_checks(run: RunDirectory, config: Config, split: Artifact, resources: Resources) -> list[_Check]:
    """Make the template in signal-free windows, to be compared with the events there: no unblinding."""
    require_side_bands_only(config, "validation windows", also={Need.SHARED_BASE})
    searches = find_searches(split, config, shared_base(run, config, split, configured_method(config)))
    checks = []
    for index, search in enumerate(searches):
        name = f"window {search.regions.sr.text} TeV"
        resources.progress(Step("closure: templates in windows", index, len(searches), name))
        template = make_search_template(search, config, resources.streams(f"closure/{index}"), resources).events
        sets = (template, concatenate([search.sb1, search.sb2]), search.sr)
        points = [Sampled(events.features, events.source_id, events.weight) for events in sets]
        checks.append(_Check(name, points[0], points[1], points[2], False))
    resources.progress(Step("closure: templates in windows", len(searches), len(searches)))
    return checks


def _truth_check(run: RunDirectory, config: Config, split: Artifact, template: Artifact) -> list[_Check]:
    truth = read_truth(run, split)
    if truth is None:
        return []
    refuse_simulated_reference(config, split, template, truth.reference)
    background = true_background(split, template, truth)
    side_bands = concatenate([split.events("sb1"), split.events("sb2")])
    sets = (template.events("events"), side_bands, background)
    points = [Sampled(events.features, events.source_id, events.weight) for events in sets]
    return [_Check(TRUE_BACKGROUND, points[0], points[1], points[2], True)]


def true_background(split: Artifact, template: Artifact, truth: Truth) -> Events:
    """Return true background in the signal region, without events that the template itself consists of."""
    observed = split.events("sr")
    background = observed.take(~truth.is_signal[observed.event_id])
    method = method_of(template.provenance.settings["model"])
    if Need.TRUTH in method.needs:
        return background
    return concatenate([background, truth.background(read_regions(split).sr)])

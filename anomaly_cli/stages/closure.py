"""Closure: can boosted trees tell the template from background?

In the side-bands: the trained method moves its training events to side-band masses; they are compared,
with mjj among the features, with side-band events that its flows were not trained on. With truth: template
against true background in the signal region. On request, in signal-free windows: the method trained anew
with the signal region moved there, against the events of the window. Beside each stands the same figure for
untouched side-band events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.selection import effective_sources
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_truth
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Need
from anomaly_cli.search.closure import (
    TRUE_BACKGROUND,
    Check,
    Closure,
    background_check,
    has_side_band_check,
    measure_closure,
    side_band_check,
    true_background,
)
from anomaly_cli.search.run import is_searchable, require_side_bands_only
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.template import make_template
from anomaly_cli.search.windows import find_windows
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.provisions import method_provisions, refuse_simulated_reference, truth_digest
from anomaly_cli.stages.split import stored_split
from anomaly_cli.stages.template import load_parts, method_of, model_settings

SHAREABLE = frozenset({Need.SHARED_MODEL})
"""What a search in windows may need beyond side-bands: it is the same there."""


def _settings(analysis: Analysis) -> dict[str, Any]:
    windows = analysis.config.closure.windows
    settings: dict[str, Any] = {**analysis.rounding, "windows": windows}
    if windows:
        settings |= {
            "model": model_settings(analysis),
            "oversampling": analysis.config.template.oversampling,
            "window_width": analysis.config.significance.window_width,
            "most_windows": analysis.config.significance.windows,
        }
    return settings


def _make(analysis: Analysis) -> Made:
    checks = [*_side_band_checks(analysis), *_truth_checks(analysis)]
    if analysis.config.closure.windows:
        checks += _window_checks(analysis)
    measured = []
    for done, check in enumerate(checks):
        analysis.compute.progress(Step("closure", done, len(checks), check.name))
        measured.append(measure_closure(check, analysis.compute))
    analysis.compute.progress(Step("closure", len(checks), len(checks)))
    rows = [(closure, points, found) for closure in measured for points, found in closure.distances.items()]
    distances = [{"check": closure.check.name, "points": points, **vars(found)} for closure, points, found in rows]
    return Made(
        {
            "checks": _columns([check_row(closure) for closure in measured], "checks"),
            "distances": _columns(distances, "distances"),
            "counts": _counts(analysis),
        }
    )


CLOSURE = Stage(
    name="closure",
    version=5,
    kind=schema.CLOSURE,
    settings=_settings,
    inputs=lambda analysis: {"truth": truth_digest(analysis)},
    make=_make,
)
"""Measures closure in the side-bands and, where truth is known, in the signal region."""


def check_row(closure: Closure) -> dict[str, Any]:
    """Return one row of the checks of the schema."""
    return {
        "check": closure.check.name,
        "auc": closure.found.auc,
        "auc_error": closure.found.error,
        "baseline_auc": closure.baseline.auc,
        "n_template": len(closure.check.template.points),
        "n_compared": len(closure.check.compared.points),
        "uses_truth": closure.check.uses_truth,
    }


def _columns(rows: Sequence[Mapping[str, Any]], group: str) -> dict[str, Any]:
    columns = schema.CLOSURE.groups[group].columns
    if not rows:
        return {name: np.zeros((0,) * len(column.shape.split(","))) for name, column in columns.items()}
    return {name: np.array([row[name] for row in rows]) for name in columns}


def _counts(analysis: Analysis) -> dict[str, Any]:
    run = analysis.run
    template, model, split = run.read(schema.TEMPLATE), _read_model(analysis), run.read(schema.SPLIT)
    events, method = template.events("events"), method_of(template.provenance.settings["model"])
    n_training = sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sb2"))
    clipped = model.groups["scaling"]["n_clipped"].max() / n_training if "scaling" in model.groups else 0.0
    held = template.groups["clipped"]["n_clipped"].max() / len(events) if "clipped" in template.groups else 0.0
    used: SearchSettings = replace(analysis.settings, method=method)
    return {
        "n_template": len(events),
        "n_sources": effective_sources(events.source_id, events.weight),
        "clipped_training": clipped,
        "clipped_template": held,
        "has_windows": is_searchable(used, SHAREABLE),
        "mixes_sources": method.mixes_sources,
    }


def _read_model(analysis: Analysis) -> Artifact:
    template, model = analysis.run.read(schema.TEMPLATE), analysis.run.read(schema.TEMPLATE_MODEL)
    if template.provenance.inputs[model.kind.name] != model.digest:
        raise ArtifactError(
            f"{model.path}: is not the model that {template.path.name} was sampled from; run 'anomaly template"
            " --overwrite' without --from-model, or put that model in its place"
        )
    return model


def _side_band_checks(analysis: Analysis) -> list[Check]:
    model = _read_model(analysis)
    if not has_side_band_check(method_of(model.provenance.settings)):
        return []
    fitted, seen_by = load_parts(analysis, model)
    return [side_band_check(list(zip(fitted.models, seen_by, strict=True)), analysis.compute)]


def _window_checks(analysis: Analysis) -> list[Check]:
    """Make the template in signal-free windows, to be compared with the events there: no unblinding."""
    settings, compute = analysis.settings, analysis.compute
    require_side_bands_only(settings, "validation windows", SHAREABLE)
    provisions = method_provisions(analysis, settings.method)
    split, significance = stored_split(analysis.run.read(schema.SPLIT)), analysis.config.significance
    windows, _ = find_windows(split, significance.window_width, significance.least_fit_p)
    windows = windows[: significance.windows]
    checks = []
    for index, window in enumerate(windows):
        name = f"window {window.regions.sr.text} TeV"
        compute.progress(Step("closure: templates in windows", index, len(windows), name))
        template = make_template(window, settings, provisions, compute.child(f"closure/{index}").alone()).template
        checks.append(background_check(name, template.events, window.side_bands, window.sr, uses_truth=False))
    compute.progress(Step("closure: templates in windows", len(windows), len(windows)))
    return checks


def _truth_checks(analysis: Analysis) -> list[Check]:
    found = read_truth(analysis.run)
    if found is None:
        return []
    template = analysis.run.read(schema.TEMPLATE)
    refuse_simulated_reference(analysis, template, found[0].reference)
    split = stored_split(analysis.run.read(schema.SPLIT))
    method = method_of(template.provenance.settings["model"])
    background = true_background(split.sr, found[0], split.regions, method)
    return [background_check(TRUE_BACKGROUND, template.events("events"), split.side_bands, background, uses_truth=True)]

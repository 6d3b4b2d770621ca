"""Significance: cut on the scores, expect background, count, and say how unlikely the excess is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from anomaly_cli.analysis.lookelsewhere import (
    claimable_global,
    copula_generator,
    global_p_value,
    overlap_correlation,
    selected_events,
)
from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.analysis.profile import signed_root
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.belonging import WORKSPACES, workspace_files
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.significance_kinds import LARGEST
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.count import Counted, build_cuts, count
from anomaly_cli.stages.blinding import permission, require_unblinded
from anomaly_cli.stages.classify import stored_replicas, stored_scores
from anomaly_cli.stages.frame import Analysis, Beside, Made, Stage
from anomaly_cli.stages.identity import stored_identity
from anomaly_cli.stages.measurements import Factor, Measurements, find_measurements
from anomaly_cli.stages.resolve import resolve_correction
from anomaly_cli.stages.split import stored_split
from anomaly_cli.stages.template import mass_fit_columns

SELECTIONS = ("selected", "selected_template")
"""Groups that hold the events that pass."""


def _settings(analysis: Analysis) -> dict[str, Any]:
    return {
        **counting_settings(analysis),
        "least_fit_p": analysis.settings.cuts.least_fit_p,
        "toys": analysis.config.significance.toys,
    }


def counting_settings(analysis: Analysis) -> dict[str, Any]:
    """Return what the expectation behind every cut depends on, besides scores and mass fit."""
    cuts = analysis.settings.cuts
    return {
        "background_efficiencies": list(cuts.background_efficiencies),
        "pass_fail_from": cuts.pass_fail_from,
        "correct": resolve_correction(analysis.config),
        "settings_digest": stored_identity(analysis.run).digest,
        **({"systematics": [asdict(one) for one in cuts.systematics]} if cuts.systematics else {}),
    }


def _measurements(analysis: Analysis) -> Measurements:
    return find_measurements(analysis.run, analysis.config, stored_identity(analysis.run).digest)


def _inputs(analysis: Analysis) -> dict[str, str]:
    digest = stored_identity(analysis.run).digest
    return {**_measurements(analysis).inputs, **permission(analysis.run, digest)}


def _make(analysis: Analysis) -> Made:
    run = analysis.run
    scores, fit = run.read(schema.SCORES), stored_split(run.read(schema.SPLIT)).fit_masses()
    measurements, cuts = _measurements(analysis), analysis.settings.cuts
    observed, template = (stored_scores(scores, group) for group in ("observed", "template"))
    measured = measurements.of_each(cuts)
    built = build_cuts(observed, template, stored_replicas(scores), fit, cuts, measured)
    counted = count(built, observed, analysis.config.significance.toys, analysis.compute)
    groups = _groups(counted, fit, scores, measurements)
    groups |= _largest(groups, scores, analysis.compute.streams.seed)
    return Made(groups, files=_workspaces(groups))


def _workspaces(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the workspaces of the tests, which the artifact holds as well, as files that people can read."""
    held = workspace_files(groups["tests"]["workspace"])
    return {name: json.dumps(json.loads(text), indent=1) for name, text in held.items()}


def _beside(significance: Artifact) -> Beside:
    return Beside(files=_workspaces(significance.groups), pattern=WORKSPACES[schema.SIGNIFICANCE.name])


COUNT_VERSION = 9
"""Version of the numbers that are counted: raised with that of the stage, unless only other columns changed."""
SIGNIFICANCE = Stage(
    name="significance",
    version=12,
    kind=schema.SIGNIFICANCE,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    beside=_beside,
    refuse=lambda analysis: require_unblinded(analysis.run, stored_identity(analysis.run).digest),
    looks=True,
    renewed_by=frozenset({"validation", "overdispersion"}),
)
"""Counts after each cut, and writes a workspace for each beside."""


def _groups(
    counted: Sequence[Counted], fit: MassFit, scores: Artifact, measurements: Measurements
) -> dict[str, Mapping[str, Any]]:
    systematics = [row for index, one in enumerate(counted) for row in _systematic_rows(index, one)]
    return {
        **({"systematics": as_columns(systematics)} if systematics else {}),
        "mass_fit": mass_fit_columns(fit),
        "tests": as_columns([count_row(one, measurements) for one in counted]),
        "folds": as_columns([row for index, one in enumerate(counted) for row in _fold_rows(index, one, scores)]),
        "selected": _selected([one.cut.selection.is_observed_selected for one in counted], scores, "observed"),
        "selected_template": _selected([one.cut.selection.is_template_selected for one in counted], scores, "template"),
    }


def _largest(groups: Mapping[str, Mapping[str, Any]], scores: Artifact, seed: int) -> dict[str, Mapping[str, Any]]:
    """Return the global significance of the largest of all cuts, as `anomaly significance global` has it for one run.

    And that of the largest claimable Z. Without a number where a cut allows no claim or selects nothing.
    """
    tests = {name: np.asarray(column) for name, column in groups["tests"].items()}
    kept = [name for name in (*SELECTIONS, "systematics") if name in groups]
    counted = {name: {key: np.asarray(column) for key, column in groups[name].items()} for name in kept}
    region = (scores.groups["observed"]["event_id"], scores.groups["template"]["event_id"])
    selections = selected_events({"tests": tests, **counted}, region, scores.provenance.inputs[schema.TEMPLATE.name])
    if any(tests["no_claim"]) or any(one.is_empty for one in selections):
        return {"largest": {**dict.fromkeys(LARGEST, np.nan), "test": -1}}
    cuts = np.unique(tests["background_efficiency"], return_inverse=True)[1]
    correlation = overlap_correlation(selections)
    found = global_p_value(tests["z"], correlation, cuts, copula_generator(seed))
    claimable = claimable_global(tests["z_claimable"], correlation, cuts, copula_generator(seed))
    return {"largest": found.columns(), **({"largest_claimable": claimable.columns()} if claimable else {})}


def _selected(masks: list[Any], scores: Artifact, group: str) -> dict[str, Any]:
    ids = scores.groups[group]["event_id"]
    return {
        "test": np.repeat(np.arange(len(masks)), [int(mask.sum()) for mask in masks]),
        "event_id": np.concatenate([ids[mask] for mask in masks]),
    }


def count_row(counted: Counted, measurements: Measurements) -> dict[str, Any]:
    """Return one row of the tests of the schema."""
    selection, model, result = counted.cut.selection, counted.cut.model, counted.result
    closure = measurements.closure.get(selection.background_efficiency)
    factor = measurements.factors.get(selection.background_efficiency, Factor())
    return {
        "test": "pass/fail" if model.is_pass_fail else "template",
        "background_efficiency": selection.background_efficiency,
        "n_observed": model.n_observed,
        "n_expected": model.n_expected,
        "uncertainty": model.uncertainty,
        "n_control": model.n_control,
        "transfer": model.transfer,
        "width": model.width,
        "efficiency": selection.efficiency,
        "n_template": int(selection.is_template_selected.sum()),
        "n_template_all": len(selection.is_template_selected),
        "n_sources": selection.n_sources,
        "template_uncertainty": _template_uncertainty(counted),
        "model_uncertainty": selection.model_uncertainty,
        "norm_uncertainty": model.relative.get("norm", 0.0),
        "closure_uncertainty": counted.cut.measured.closure,
        "correction": counted.cut.measured.correction,
        "is_closure_transferred": bool(closure and closure.is_transferred),
        "overdispersion": counted.cut.measured.overdispersion,
        "overdispersion_measured": factor.value,
        "overdispersion_error": factor.error,
        "n_experiments": factor.n_experiments,
        "signal_yield": result.signal_yield,
        "n_windows": counted.cut.measured.n_windows,
        "no_claim": counted.no_claim,
        "z": counted.toys.z,
        "z_claimable": counted.z_claimable,
        "z_statistical": counted.z_statistical,
        "p0": counted.toys.p0,
        "p0_error": counted.toys.error,
        "q0": result.q0,
        "z_asymptotic": result.z,
        "p0_asymptotic": result.p0,
        "z_closed_form": result.z_closed_form,
        "z_binomial": counted.z_binomial,
        "fold_p": counted.fold_p,
        "workspace": json.dumps(result.workspace),
    }


def _template_uncertainty(counted: Counted) -> float:
    selection = counted.cut.selection
    return selection.efficiency_uncertainty if counted.cut.model.is_pass_fail else float(selection.n_sources**-0.5)


def _systematic_rows(index: int, counted: Counted) -> list[dict[str, Any]]:
    """Return what each systematic shifts, and the significance that it costs."""
    model = counted.cut.model
    return [
        {
            "test": index,
            **{name: getattr(shift, name) for name in ("name", "parameter", "on", "up", "down")},
            "cost": float(signed_root(model.without(shift.name).experiment())) - counted.result.z_closed_form,
        }
        for shift in model.systematics
    ]


def _fold_rows(index: int, counted: Counted, scores: Artifact) -> list[dict[str, Any]]:
    observed, template = scores.groups["observed"]["fold"], scores.groups["template"]["fold"]
    selection = counted.cut.selection
    return [
        {
            "test": index,
            "fold": fold,
            "threshold": threshold,
            "n_observed": int((selection.is_observed_selected & (observed == fold)).sum()),
            "n_template": int((selection.is_template_selected & (template == fold)).sum()),
        }
        for fold, threshold in zip(np.unique(template), selection.thresholds, strict=True)
    ]


def read_significance(run: RunDirectory) -> Artifact:
    """Return the significance artifact of a run, checked to belong to its scores.

    Raises:
        ArtifactError: where it was made from other scores, or the unblinding that it needed is not recorded.
        ConfigError: where it is not there, since the signal region is blinded.
    """
    if run.has(schema.SCORES) and not run.has(schema.SIGNIFICANCE):
        require_unblinded(run, stored_identity(run).digest)
    significance = run.read(schema.SIGNIFICANCE)
    require_record(run, run.read(schema.SPLIT), significance)
    return significance

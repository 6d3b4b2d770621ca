"""Significance: cut on the scores, expect background from side-bands and template, ask pyhf."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from typing import Any

import numpy as np

from anomaly_cli.analysis.counting import (
    CountingModel,
    CountingResult,
    ScoredEvents,
    Selection,
    channel_name,
    compute_significance,
    select,
)
from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split, read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance, canonical_json
from anomaly_cli.artifacts.store import Artifact, encode_artifact, read_artifact, write_files
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.progress import Step
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.template import fit_side_bands, mass_fit_columns

STAGE, VERSION = "significance", 1


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Uncertainties that only further studies can measure; NaN where they have not been.

    Attributes:
        closure: relative uncertainty of the template's pass rate.
        overdispersion: factor on the standard deviation of the counts from sharing training data.
    """

    closure: float = math.nan
    overdispersion: float = math.nan


@dataclasses.dataclass(frozen=True)
class _Test:
    selection: Selection
    model: CountingModel
    result: CountingResult
    calibration: Calibration


def plan_significance(run: RunDirectory, config: Config, split: Artifact, scores: Artifact) -> Plan:
    """Return the plan of the significance stage."""
    settings = {
        "background_efficiencies": list(config.significance.background_efficiencies),
        "settings_digest": settings_digest(split, read_template(run, split), scores),
    }
    inputs = {"split": split.digest, "scores": scores.digest}
    provenance = Provenance(STAGE, VERSION, settings, config.seed, inputs)
    return Plan(STAGE, run.artifact(schema.SIGNIFICANCE), provenance)


def settings_digest(split: Artifact, template: Artifact, scores: Artifact) -> str:
    """Return a hash of the settings that closure and over-dispersion depend on.

    Measured values belong to a configuration; this names it, whatever the seed and the injected signal.

    Raises:
        ArtifactError: where the scores belong to another template.
    """
    if scores.provenance.inputs["template"] != template.digest:
        raise ArtifactError(f"{scores.path}: scores another template; run 'anomaly classify --overwrite' first")
    relevant = {
        "windows_gev": [[window.low, window.high] for window in read_regions(split).named().values()],
        "features": list(split.features),
        "template": template.provenance.settings,
        "classifier": scores.provenance.settings,
    }
    return hashlib.sha256(canonical_json(relevant).encode()).hexdigest()


def make_significance(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Count after each cut and write the significance artifact and the workspaces beside it.

    Raises:
        AnomalyError: where an artifact is missing or belongs to other events, or a fit fails.
    """
    split = read_split(run)
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES)
    if scores.provenance.inputs["split"] != split.digest:
        raise ArtifactError(f"{scores.path}: scores other events than {split.path.name} holds; run 'anomaly classify'")
    plan = plan_significance(run, config, split, scores)

    def make() -> None:
        mass_fit = fit_side_bands(split)
        tests = []
        efficiencies = config.significance.background_efficiencies
        for done, efficiency in enumerate(efficiencies):
            tests.append(_test(split, scores, mass_fit, efficiency, Calibration()))
            resources.progress(Step("significance: pyhf", done + 1, len(efficiencies)))
        files = {
            run.workspaces / f"{test.model.name}.json": json.dumps(test.result.workspace, indent=1).encode()
            for test in tests
        }
        groups = _groups(tests, mass_fit, scores)
        files[plan.output] = encode_artifact(schema.SIGNIFICANCE, groups, plan.provenance)[0]
        write_files(files)
        for stale in set(run.workspaces.glob("*.json")) - set(files):
            stale.unlink(missing_ok=True)

    return execute(plan, overwrite, make)


def _test(split: Artifact, scores: Artifact, fit: MassFit, efficiency: float, calibration: Calibration) -> _Test:
    selection = select(_scored(scores, "observed"), _scored(scores, "template"), efficiency)
    sr = read_regions(split).sr
    relative = {"norm": fit.uncertainty / fit.n_expected}
    if not math.isnan(calibration.closure):
        relative["closure"] = calibration.closure
    model = CountingModel(
        name=channel_name((sr.low, sr.high), efficiency),
        n_observed=int(selection.is_observed_selected.sum()),
        n_expected=fit.n_expected * selection.efficiency,
        n_sources=selection.n_sources,
        relative=relative,
    )
    return _Test(selection, model, compute_significance(model), calibration)


def _scored(scores: Artifact, group: str) -> ScoredEvents:
    columns = scores.groups[group]
    return ScoredEvents(**{name: columns[name] for name in ("event_id", "source_id", "weight", "fold", "score")})


def _groups(tests: list[_Test], fit: MassFit, scores: Artifact) -> dict[str, Any]:
    ids = scores.groups["observed"]["event_id"]
    n_selected = [int(test.selection.is_observed_selected.sum()) for test in tests]
    return {
        "mass_fit": mass_fit_columns(fit),
        "tests": _columns([_row(test) for test in tests]),
        "folds": _columns([row for index, test in enumerate(tests) for row in _fold_rows(index, test, scores)]),
        "selected": {
            "test": np.repeat(np.arange(len(tests)), n_selected),
            "event_id": np.concatenate([ids[test.selection.is_observed_selected] for test in tests]),
        },
    }


def _row(test: _Test) -> dict[str, Any]:
    return {
        "test": "counting",
        "background_efficiency": test.selection.background_efficiency,
        "n_observed": test.model.n_observed,
        "n_expected": test.model.n_expected,
        "uncertainty": test.model.uncertainty,
        "n_template": int(test.selection.is_template_selected.sum()),
        "n_template_all": len(test.selection.is_template_selected),
        "n_sources": test.model.n_sources,
        "template_uncertainty": test.model.template_uncertainty,
        "norm_uncertainty": test.model.relative["norm"],
        "closure_uncertainty": test.calibration.closure,
        "overdispersion": test.calibration.overdispersion,
        "signal_yield": test.result.signal_yield,
        "q0": test.result.q0,
        "z": test.result.z,
        "p0": test.result.p0,
        "z_closed_form": test.result.z_closed_form,
        "workspace": json.dumps(test.result.workspace),
    }


def _fold_rows(index: int, test: _Test, scores: Artifact) -> list[dict[str, Any]]:
    observed, template = scores.groups["observed"]["fold"], scores.groups["template"]["fold"]
    return [
        {
            "test": index,
            "fold": fold,
            "threshold": threshold,
            "n_observed": int((test.selection.is_observed_selected & (observed == fold)).sum()),
            "n_template": int((test.selection.is_template_selected & (template == fold)).sum()),
        }
        for fold, threshold in zip(np.unique(template), test.selection.thresholds, strict=True)
    ]


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [row[name] for row in rows] for name in rows[0]}

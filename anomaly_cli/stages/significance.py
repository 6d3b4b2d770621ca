"""Significance: cut on the scores, expect background, count, and say how unlikely the excess is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.counting import CountingResult, compute_significance
from anomaly_cli.analysis.exact import binomial_significance
from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.analysis.toys import ToyResult, toy_p_value
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_split, read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, encode_artifact, read_artifact, write_files
from anomaly_cli.artifacts.unblinding import require_record
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.progress import Step
from anomaly_cli.stages.blinding import permission, require_unblinded
from anomaly_cli.stages.counting import Cut, build_cuts, fold_heterogeneity, scored_events
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.measurements import Factor, Measurements, find_measurements, settings_digest
from anomaly_cli.stages.template import fit_side_bands, mass_fit_columns

STAGE, VERSION = "significance", 4


@dataclass(frozen=True)
class _Test:
    cut: Cut
    result: CountingResult
    toys: ToyResult
    z_binomial: float
    fold_p: float
    is_transferred: bool
    factor: Factor


def plan_significance(run: RunDirectory, config: Config, split: Artifact, scores: Artifact) -> Plan:
    """Return the plan of the counting."""
    digest = run_digest(split, read_template(run, split), scores)
    measurements = find_measurements(run, config, digest)
    settings = {
        "background_efficiencies": list(config.significance.background_efficiencies),
        "pass_fail_from": config.significance.pass_fail_from,
        "least_fit_p": config.significance.least_fit_p,
        "toys": config.significance.toys,
        "settings_digest": digest,
    }
    inputs = {"split": split.digest, "scores": scores.digest, **measurements.inputs, **permission(run, split, digest)}
    provenance = Provenance(STAGE, VERSION, settings, config.seed, inputs)
    return Plan(STAGE, run.artifact(schema.SIGNIFICANCE), provenance)


def run_digest(split: Artifact, template: Artifact, scores: Artifact) -> str:
    """Return the settings digest of a run.

    Raises:
        ArtifactError: where the scores belong to another template.
    """
    if scores.provenance.inputs["template"] != template.digest:
        raise ArtifactError(f"{scores.path}: scores another template; run 'anomaly classify --overwrite' first")
    return settings_digest(split, template.provenance.settings, scores.provenance.settings)


def read_scores(run: RunDirectory, split: Artifact) -> Artifact:
    """Return the scores of a run.

    Raises:
        ArtifactError: where they belong to other events.
    """
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES)
    if scores.provenance.inputs["split"] != split.digest:
        raise ArtifactError(f"{scores.path}: scores other events than {split.path.name} holds; run 'anomaly classify'")
    return scores


def make_significance(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Count after each cut and write the significance artifact and the workspaces beside it.

    Raises:
        AnomalyError: where an artifact is missing or belongs to other events, the signal region is
            blinded, or a fit fails.
    """
    split = read_split(run)
    scores = read_scores(run, split)
    plan = plan_significance(run, config, split, scores)
    digest = str(plan.provenance.settings["settings_digest"])
    require_unblinded(run, split, digest)
    measurements = find_measurements(run, config, digest)

    def make() -> None:
        mass_fit = fit_side_bands(split)
        tests = _run_tests(scores, mass_fit, config, measurements, resources)
        files = {
            run.workspaces / f"{test.cut.model.name}.json": json.dumps(test.result.workspace, indent=1).encode()
            for test in tests
        }
        groups = _groups(tests, mass_fit, scores)
        files[plan.output] = encode_artifact(schema.SIGNIFICANCE, groups, plan.provenance)[0]
        write_files(files)
        for stale in set(run.workspaces.glob("SR_*.json")) - set(files):
            stale.unlink(missing_ok=True)

    return execute(plan, overwrite, make)


def _run_tests(
    scores: Artifact, fit: MassFit, config: Config, measurements: Measurements, resources: Resources
) -> list[_Test]:
    settings = config.significance
    observed, template = scored_events(scores, "observed"), scored_events(scores, "template")
    measured = {efficiency: measurements.of(efficiency) for efficiency in settings.background_efficiencies}
    tests = []
    cuts = build_cuts(observed, template, fit, settings, measured)
    for done, cut in enumerate(cuts):
        efficiency = cut.selection.background_efficiency
        closure = measurements.closure.get(efficiency)
        generator = resources.streams("significance").generator(f"toys/{cut.model.name}")
        experiment = cut.model.experiment()
        tests.append(
            _Test(
                cut,
                compute_significance(cut.model),
                toy_p_value(experiment, settings.toys, generator),
                float(binomial_significance(experiment)),
                fold_heterogeneity(cut.selection, observed),
                bool(closure and closure.is_transferred),
                measurements.factors.get(efficiency, Factor()),
            )
        )
        resources.progress(Step("significance: pyhf and toys", done + 1, len(cuts)))
    return tests


def _groups(tests: list[_Test], fit: MassFit, scores: Artifact) -> dict[str, Any]:
    return {
        "mass_fit": mass_fit_columns(fit),
        "tests": columns_of([_row(test) for test in tests]),
        "folds": columns_of([row for index, test in enumerate(tests) for row in _fold_rows(index, test, scores)]),
        "selected": _selected([test.cut.selection.is_observed_selected for test in tests], scores, "observed"),
        "selected_template": _selected([test.cut.selection.is_template_selected for test in tests], scores, "template"),
    }


def _selected(masks: list[Any], scores: Artifact, group: str) -> dict[str, Any]:
    ids = scores.groups[group]["event_id"]
    return {
        "test": np.repeat(np.arange(len(masks)), [int(mask.sum()) for mask in masks]),
        "event_id": np.concatenate([ids[mask] for mask in masks]),
    }


def _row(test: _Test) -> dict[str, Any]:
    selection, model, result = test.cut.selection, test.cut.model, test.result
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
        "template_uncertainty": _template_uncertainty(test),
        "norm_uncertainty": model.relative.get("norm", 0.0),
        "closure_uncertainty": test.cut.measured.closure,
        "is_closure_transferred": test.is_transferred,
        "overdispersion": test.cut.measured.overdispersion,
        "overdispersion_measured": test.factor.value,
        "overdispersion_error": test.factor.error,
        "n_permutations": test.factor.n_permutations,
        "signal_yield": result.signal_yield,
        "z": test.toys.z,
        "p0": test.toys.p0,
        "p0_error": test.toys.error,
        "q0": result.q0,
        "z_asymptotic": result.z,
        "p0_asymptotic": result.p0,
        "z_closed_form": result.z_closed_form,
        "z_binomial": test.z_binomial,
        "fold_p": test.fold_p,
        "workspace": json.dumps(result.workspace),
    }


def _template_uncertainty(test: _Test) -> float:
    selection = test.cut.selection
    return selection.efficiency_uncertainty if test.cut.model.is_pass_fail else float(selection.n_sources**-0.5)


def _fold_rows(index: int, test: _Test, scores: Artifact) -> list[dict[str, Any]]:
    observed, template = scores.groups["observed"]["fold"], scores.groups["template"]["fold"]
    selection = test.cut.selection
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


def columns_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows as columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def read_significance(run: RunDirectory) -> Artifact:
    """Return the significance artifact of a run, checked to belong to its scores.

    Raises:
        ArtifactError: where it was made from other scores, or the unblinding that it needed is not recorded.
    """
    significance = read_artifact(run.artifact(schema.SIGNIFICANCE), schema.SIGNIFICANCE)
    scores = read_artifact(run.artifact(schema.SCORES), schema.SCORES, groups=())
    if significance.provenance.inputs["scores"] != scores.digest:
        raise ArtifactError(f"{significance.path}: was made from other scores; run 'anomaly significance --overwrite'")
    require_record(run, read_split(run), significance)
    return significance

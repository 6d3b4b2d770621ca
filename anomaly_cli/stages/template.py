"""Template: train a method on what it may see (model artifact), then sample it (template artifact)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_crossfit, template_groups
from anomaly_cli.artifacts.provenance import canonical_json
from anomaly_cli.artifacts.store import Artifact, event_columns
from anomaly_cli.core.arrays import under
from anomaly_cli.core.errors import ArtifactError
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.methods.base import METHODS, TemplateMethod
from anomaly_cli.search.settings import describe_method
from anomaly_cli.search.template import (
    FittedParts,
    MadeTemplate,
    choose_crossfit,
    fit_parts,
    sample_template,
    see,
)
from anomaly_cli.stages.curves import training_columns
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.provisions import input_digests, method_provisions, simulation_digests
from anomaly_cli.stages.shared import describe_shared
from anomaly_cli.stages.split import stored_split


def model_settings(analysis: Analysis) -> dict[str, Any]:
    """Return what a trained method depends on beside the events: its settings, and what it is provided with."""
    method, config = analysis.settings.method, analysis.config
    provided: dict[str, Any] = dict(simulation_digests(config, method))
    if Need.SHARED_MODEL in method.needs:
        provided |= describe_shared(config)
    crossfit = analysis.settings.describe_crossfit()
    return {"method": describe_method(method), "provided": provided, "crossfit": crossfit, **analysis.rounding}


def template_settings(analysis: Analysis) -> dict[str, Any]:
    """Return what a template depends on beside the events."""
    return {"model": model_settings(analysis), "oversampling": analysis.config.template.oversampling}


def _make_model(analysis: Analysis) -> Made:
    settings, compute, split = analysis.settings, analysis.compute, stored_split(analysis.run.read(schema.SPLIT))
    seen = see(split, settings.method, method_provisions(analysis, settings.method), compute)
    fitted = fit_parts(settings, seen, choose_crossfit(settings, seen, compute), compute)
    return Made(_model_groups(fitted, seen), seen.sb1.names)


def _model_groups(fitted: FittedParts, seen: Seen) -> dict[str, Mapping[str, Any]]:
    models = fitted.models
    groups: dict[str, Mapping[str, Any]] = {
        "weights": {
            f"{index}:{name}": array for index, model in enumerate(models) for name, array in model.to_arrays().items()
        },
        "training": training_columns(
            [
                row if len(models) == 1 else replace(row, part=f"{row.part}, part {index + 1}")
                for index, model in enumerate(models)
                for row in model.training
            ]
        ),
        "crossfit": vars(fitted.crossfit),
    }
    n_clipped = [model.n_clipped_training for model in models]
    if n_clipped[0]:
        groups["scaling"] = {
            "feature": list(n_clipped[0]),
            "n_clipped": [sum(one[name] for one in n_clipped) for name in n_clipped[0]],
        }
    if seen.simulation is not None:
        groups["simulation"] = seen.simulation.cutflow.columns()
    if seen.shared is not None:
        groups["shared"] = {"has_seen_signal_region": seen.shared.has_seen(seen.regions.sr)}
    return groups


MODEL = Stage(
    name="template model",
    version=5,
    kind=schema.TEMPLATE_MODEL,
    settings=model_settings,
    inputs=lambda analysis: input_digests(analysis, analysis.settings.method),
    make=_make_model,
)
"""Trains the template method on the side-bands."""


def _read_model(analysis: Analysis, from_model: Path | None) -> Artifact:
    run = analysis.run
    return run.read_file(from_model, schema.TEMPLATE_MODEL) if from_model else run.read(schema.TEMPLATE_MODEL)


def _sample_settings(analysis: Analysis, from_model: Path | None) -> dict[str, Any]:
    model = _read_model(analysis, from_model).provenance.settings
    return {"model": dict(model), "oversampling": analysis.config.template.oversampling}


def _sample_inputs(analysis: Analysis, from_model: Path | None) -> dict[str, str]:
    model = _read_model(analysis, from_model)
    truth = model.provenance.inputs.get("truth")
    return {schema.TEMPLATE_MODEL.name: model.digest, **({"truth": truth} if truth else {})}


def _make_template(analysis: Analysis, from_model: Path | None) -> Made:
    model = _read_model(analysis, from_model)
    fitted, _ = load_parts(analysis, model)
    split = stored_split(analysis.run.read(schema.SPLIT))
    oversampling = analysis.config.template.oversampling
    made = sample_template(method_of(model.provenance.settings), fitted, split, oversampling, analysis.compute)
    return Made(_template_groups(made, split.sr.names), split.sr.names)


def _template_groups(made: MadeTemplate, names: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    return {
        "events": event_columns(made.template.events),
        **template_groups(made.template),
        "mass_fit": mass_fit_columns(made.mass_fit),
        "clipped": {"feature": list(names), "n_clipped": made.n_clipped},
    }


def template_stage(from_model: Path | None = None) -> Stage[Analysis]:
    """Return the stage that samples a trained method: the run's own, or the one of a file."""
    return Stage(
        name="template",
        version=5,
        kind=schema.TEMPLATE,
        settings=partial(_sample_settings, from_model=from_model),
        inputs=partial(_sample_inputs, from_model=from_model),
        make=partial(_make_template, from_model=from_model),
    )


TEMPLATE = template_stage()
"""Samples the run's own model at signal-region masses."""


def load_parts(analysis: Analysis, model: Artifact) -> tuple[FittedParts, list[Seen]]:
    """Return the trained models of an artifact and what each has seen.

    Raises:
        ArtifactError: where the model was trained on other events, or with other provisions than are there now.
    """
    split = analysis.run.read(schema.SPLIT)
    if model.provenance.inputs["split"] != split.digest:
        raise ArtifactError(
            f"{model.path}: was trained on other events than {split.path}; train anew with 'anomaly template' without"
            " --from-model, or use the split that it was trained on"
        )
    method = method_of(model.provenance.settings)
    # which events validate is a matter of the seed
    own = analysis.reconfigured(replace(analysis.config, seed=model.provenance.seed))
    provisions = method_provisions(own, method)
    if {"split": split.digest, **input_digests(own, method)} != model.provenance.inputs:
        raise ArtifactError(
            f"{model.path}: was trained with another simulation, shared model or truth than are given now; train anew"
            " with 'anomaly template --overwrite' without --from-model"
        )
    seen = see(stored_split(split), method, provisions, own.compute)
    crossfit, weights = read_crossfit(model), model.groups.get("weights", {})
    if crossfit is None:
        raise ArtifactError(f"{model.path}: does not say how its events were divided; train anew with --overwrite")
    seen_by = [crossfit.part_of(seen, plan.divisions) for plan in crossfit.plans]
    models = [method.load(under(f"{index}:", weights), own) for index, own in enumerate(seen_by)]
    return FittedParts(crossfit, models), seen_by


def refuse_other_template(analysis: Analysis, what: str) -> None:
    """Refuse a template that is not the configuration's, since `what` of it would be filed under the wrong settings.

    Raises:
        ArtifactError: where it is not.
    """
    template = analysis.run.read(schema.TEMPLATE)
    if canonical_json(template.provenance.settings) != canonical_json(template_settings(analysis)):
        raise ArtifactError(
            f"{template.path}: was made with other settings than the configuration's, so {what} would be filed under"
            " the wrong ones; run 'anomaly template --overwrite' first"
        )


def method_of(model: Mapping[str, Any]) -> TemplateMethod:
    """Return the method that a model was trained by, from the settings in its provenance."""
    return METHODS.make(str(model["method"]["name"]), model["method"]["settings"])


def mass_fit_columns(fit: MassFit) -> Mapping[str, Any]:
    """Return a mass fit as the columns of the schema."""
    return {
        "parameters": fit.parameters,
        "n_parameters": len(fit.parameters),
        "chi2": fit.chi2,
        "ndf": fit.ndf,
        "p_value": fit.p_value,
        "n_expected": fit.n_expected,
        "uncertainty": fit.uncertainty,
        "uncertainty_statistical": fit.uncertainty_statistical,
        "uncertainty_function": fit.uncertainty_function,
    }

"""Template: train a method on what it may see (model artifact), then sample it (template artifact)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, event_columns, read_artifact, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.progress import Step
from anomaly_cli.methods.base import Context, FittedTemplate, Need, SimulationInputs, TemplateInputs, TemplateMethod
from anomaly_cli.methods.densities import draw_by_weight
from anomaly_cli.methods.registry import make_method
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.inputs import SIMULATION_KEYS, base_left_out, has_seen, input_digests, method_inputs
from anomaly_cli.stages.training_curves import training_columns

MODEL_STAGE, MODEL_VERSION = "template model", 3
SAMPLE_STAGE, SAMPLE_VERSION = "template", 3


def plan_model(run: RunDirectory, config: Config, split: Artifact) -> Plan:
    """Return the plan of training the method."""
    method = configured_method(config)
    inputs = input_digests(run, config, split, method)
    settings = model_settings(config, method, {key: inputs[key] for key in SIMULATION_KEYS if key in inputs})
    if Need.SHARED_BASE in method.needs:
        settings["base_has_seen_signal_region"] = has_seen(settings["base_left_out"], read_regions(split).sr)
    provenance = Provenance(MODEL_STAGE, MODEL_VERSION, settings, config.seed, inputs)
    return Plan(MODEL_STAGE, run.artifact(schema.TEMPLATE_MODEL), provenance)


def model_settings(config: Config, method: TemplateMethod, simulation: Mapping[str, str]) -> dict[str, Any]:
    """Return what a trained method depends on beside the events: its settings, its simulation, its shared base."""
    base = {"base_left_out": base_left_out(config)} if Need.SHARED_BASE in method.needs else {}
    return {"method": method.name, **dataclasses.asdict(method), "threads": config.threads, **simulation, **base}


def plan_sample(run: RunDirectory, config: Config, split: Artifact, model: Artifact) -> Plan:
    """Return the plan of sampling a trained method."""
    settings = {
        "method": model.provenance.settings["method"],
        "model": dict(model.provenance.settings),
        "oversampling": config.template.oversampling,
        "threads": config.threads,
    }
    inputs = {"split": split.digest, "template_model": model.digest}
    if "truth" in model.provenance.inputs:
        inputs["truth"] = model.provenance.inputs["truth"]
    provenance = Provenance(SAMPLE_STAGE, SAMPLE_VERSION, settings, config.seed, inputs)
    return Plan(SAMPLE_STAGE, run.artifact(schema.TEMPLATE), provenance)


def make_model(run: RunDirectory, config: Config, resources: Resources, overwrite: bool) -> Outcome:
    """Train the template method on the side-bands and write the model artifact.

    Raises:
        AnomalyError: where there are too few events, a setting is wrong, or a training diverges.
    """
    split = read_split(run)
    plan = plan_model(run, config, split)

    def make() -> None:
        method = configured_method(config)
        inputs = method_inputs(run, config, split, method)
        fitted = method.fit(
            inputs, Context(resources.streams(f"template/{method.name}"), resources.threads, resources.progress)
        )
        write_artifact(
            plan.output, schema.TEMPLATE_MODEL, _model_groups(fitted, inputs), plan.provenance, split.features
        )

    return execute(plan, overwrite, make)


def make_template(
    run: RunDirectory, config: Config, resources: Resources, overwrite: bool, from_model: Path | None = None
) -> Outcome:
    """Sample the trained method at signal-region masses and write the template artifact.

    Args:
        run: the run directory.
        config: configuration.
        resources: what may be used.
        overwrite: whether another template may be replaced.
        from_model: model artifact to sample; the run's own by default.

    Raises:
        AnomalyError: where the model belongs to other events.
    """
    split = read_split(run)
    model = read_artifact(from_model or run.artifact(schema.TEMPLATE_MODEL), schema.TEMPLATE_MODEL)
    plan = plan_sample(run, config, split, model)

    def make() -> None:
        resources.progress(Step("template: sampling", 0, 1))
        fitted, inputs = load_fitted(run, config, split, model)
        mass_fit = fit_side_bands(split)
        n_observed = len(split.groups["sr"]["mjj"])
        n_wanted = round(config.template.oversampling * n_observed)
        if n_wanted < 1:
            raise PhysicsError(
                f"template: oversampling {config.template.oversampling:g} of the signal-region events leaves"
                " no template event; raise it with --oversampling"
            )
        masses = mass_fit.sample(n_wanted, resources.streams("template").generator("target-mass"))
        sample = fitted.sample(masses, resources.streams("template/sample"))
        events = at_unit_weight(sample.events, n_wanted, resources.streams("template").generator("weights"))
        groups = {
            "events": event_columns(events),
            "mass_fit": mass_fit_columns(mass_fit),
            "clipped": {"feature": list(inputs.sb1.names), "n_clipped": sample.n_clipped},
        }
        if sample.component is not None:
            groups["components"] = {"component": sample.component}
        write_artifact(plan.output, schema.TEMPLATE, groups, plan.provenance, split.features)
        resources.progress(Step("template: sampling", 1, 1))

    return execute(plan, overwrite, make)


def at_unit_weight(events: Events, n: int, generator: np.random.Generator) -> Events:
    """Return weighted events as `n` events of unit weight, each as often as its weight asks for.

    A cut at the m-th largest score is unbiased for events that count alike; one at a sum of weights is not, since the
    event that would exceed it tends to be heavy. Copies keep their source, so statistics stay those of the weights.
    """
    if not np.ptp(events.weight) > 0.0:
        return events
    drawn = events.take(draw_by_weight(events.weight, n, generator))
    return dataclasses.replace(drawn, event_id=np.arange(n), weight=np.ones(n))


def load_fitted(
    run: RunDirectory, config: Config, split: Artifact, model: Artifact
) -> tuple[FittedTemplate, TemplateInputs]:
    """Return the trained method of a model artifact and the inputs that it was trained on.

    Raises:
        ArtifactError: where the model was trained on another split.
    """
    if model.provenance.inputs["split"] != split.digest:
        raise ArtifactError(
            f"{model.path}: was trained on other events than {split.path}; train anew with 'anomaly template' without"
            " --from-model, or use the split that it was trained on"
        )
    method = method_of(model.provenance.settings)
    own = dataclasses.replace(config, seed=model.provenance.seed)  # which events validate is a matter of the seed
    inputs = method_inputs(run, own, split, method)
    if input_digests(run, own, split, method) != model.provenance.inputs:
        raise ArtifactError(
            f"{model.path}: was trained with another simulation, base flow or truth than are given now; train anew with"
            " 'anomaly template --overwrite' without --from-model"
        )
    return method.load(model.groups.get("weights", {}), inputs), inputs


def fit_side_bands(split: Artifact) -> MassFit:
    """Return the mass fit to the side-bands of a split."""
    regions = read_regions(split)
    return fit_mass_spectrum([split.groups[n]["mjj"] for n in ("sb1", "sb2")], regions.side_bands, regions.sr)


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


def method_of(model: Mapping[str, Any]) -> TemplateMethod:
    """Return the method that a model was trained by, from the settings in its provenance."""
    no_settings = ("method", "threads", "base_left_out", "base_has_seen_signal_region", *SIMULATION_KEYS)
    settings = {key: value for key, value in model.items() if key not in no_settings}
    return make_method(str(model["method"]), settings)


def configured_method(config: Config) -> TemplateMethod:
    """Return the template method that a configuration asks for.

    Raises:
        ConfigError: for an unknown method or setting.
    """
    made = {name: make_method(name, settings) for name, settings in config.methods.items()}
    name = config.template.method
    return (made[name] if name in made else make_method(name, {})).configure(config.methods)


def _model_groups(fitted: FittedTemplate, inputs: TemplateInputs) -> dict[str, Any]:
    groups: dict[str, Any] = {"weights": fitted.to_arrays(), "training": training_columns(fitted.training)}
    if fitted.n_clipped_training:
        groups["scaling"] = {
            "feature": list(fitted.n_clipped_training),
            "n_clipped": list(fitted.n_clipped_training.values()),
        }
    if isinstance(inputs, SimulationInputs):
        groups["simulation"] = inputs.cutflow.columns()
    return groups

"""The smooth model of the background: fresh events for pseudo-experiments, with nothing injected by nature.

All background of a labelled file between the outer ends of the side-bands gives a conditional density of
the features and a dijet spectrum, each fitted once. The density is that of CATHODE, trained on the signal
region too. Pseudo-experiments drawn from them share no event, as those of a bootstrap would.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import Truth, read_regions, read_split, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, read_artifact, write_artifact
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate, make_events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.methods.base import VALIDATION_FRACTION, Context, FittedTemplate, TemplateInputs
from anomaly_cli.methods.cathode import Cathode
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute

STAGE, VERSION = "smooth model", 1
VALIDATION_SALT = 7
"""Salt of the hash that chooses validation events."""
DENSITY = Cathode()
"""The density and its settings."""


@dataclass(frozen=True)
class SmoothModel:
    """Where pseudo-experiments come from.

    Attributes:
        density: of the features at given mass.
        spectrum: dijet spectrum over the whole range.
        n_expected: mean number of events of a pseudo-experiment.
        names: feature names.
    """

    density: FittedTemplate
    spectrum: MassFit
    n_expected: float
    names: tuple[str, ...]

    def draw(self, streams: Streams) -> Events:
        """Draw one pseudo-experiment; ids count from 0."""
        n = int(streams.generator("number").poisson(self.n_expected))
        mjj = self.spectrum.sample(n, streams.generator("masses"))
        drawn = self.density.sample(mjj, streams.child("features")).events
        return make_events(mjj, drawn.features, self.names, np.arange(n))


def outer_range(regions: Regions) -> Window:
    """Return the range from the lower end of the lower side-band to the upper end of the upper one."""
    return Window(regions.sb1.low, regions.sb2.high)


def make_smooth_model(run: RunDirectory, seed: int, resources: Resources, overwrite: bool) -> Outcome:
    """Fit the smooth model to all background of a labelled file and write its artifact.

    Raises:
        ConfigError: where the data have no labels.
        TrainingError: where the fit diverges.
    """
    split = read_split(run)
    truth = require_truth(run, split)
    inputs = {"split": split.digest, "truth": truth.digest}
    provenance = Provenance(STAGE, VERSION, {"density": asdict(DENSITY)}, seed, inputs)
    plan = Plan(STAGE, run.artifact(schema.SMOOTH_MODEL), provenance)

    def make() -> None:
        background, share = _background(split, truth)
        window = outer_range(read_regions(split))
        spectrum = fit_mass_spectrum([background.mjj], [window], window)

        def report(step: Step) -> None:
            resources.progress(Step("smooth model: density", step.done, step.total, step.note))

        streams = resources.streams("smooth model")
        density = DENSITY.fit(_density_inputs(background, read_regions(split)), Context(streams, 1, report))
        groups: dict[str, dict[str, Any]] = {
            "weights": density.to_arrays(),
            "spectrum": {
                "parameters": spectrum.parameters,
                "rotation": spectrum.rotation,
                "low": window.low,
                "high": window.high,
                "n_expected": spectrum.n_expected * share,
                "p_value": spectrum.p_value,
            },
        }
        write_artifact(plan.output, schema.SMOOTH_MODEL, groups, plan.provenance, background.names)

    return execute(plan, overwrite, make)


def require_truth(run: RunDirectory, split: Artifact) -> Truth:
    """Return the truth of a run.

    Raises:
        ConfigError: where its data have no labels, or its reference is weighted.
    """
    truth = read_truth(run, split)
    if truth is None:
        raise ConfigError(
            "pseudo-experiments are drawn from a model of labelled background, and the data have no labels; calibrate"
            " with simulated data of the same kind, in a run directory of its own"
        )
    if not np.allclose(truth.reference.weight, 1.0):
        raise ConfigError(
            "pseudo-experiments are made of events of equal weight, and those of --reference differ; split without it,"
            " or with a reference of equal weights"
        )
    return truth


def _background(split: Artifact, truth: Truth) -> tuple[Events, float]:
    """Return all true background in range, and the share of it that a run observes."""
    window = outer_range(read_regions(split))
    observed = concatenate([split.events(name) for name in ("sb1", "sr", "sb2", "rest")])
    kept = observed.take(~truth.is_signal[observed.event_id] & window.contains(observed.mjj))
    background = concatenate([kept, truth.background(window)])
    return background, len(kept) / len(background)


def _density_inputs(background: Events, regions: Regions) -> TemplateInputs:
    """Return the whole range as two side-bands that meet in the middle of the signal region."""
    middle = (regions.sr.low + regions.sr.high) / 2
    lower, upper = (background.take(mask) for mask in (background.mjj < middle, background.mjj >= middle))
    ids = np.concatenate([lower.event_id, upper.event_id])
    return TemplateInputs(lower, upper, regions, hash_uniform(ids, VALIDATION_SALT) < VALIDATION_FRACTION)


def read_smooth_model(run: RunDirectory, split: Artifact, truth: Truth) -> tuple[SmoothModel, Artifact]:
    """Return the smooth model of a run, and its artifact."""
    artifact = read_artifact(run.artifact(schema.SMOOTH_MODEL), schema.SMOOTH_MODEL)
    columns = artifact.groups["spectrum"]
    n = len(columns["parameters"])
    spectrum = MassFit(
        parameters=columns["parameters"],
        covariance=np.zeros((n, n)),
        rotation=columns["rotation"],
        chi2=0.0,
        ndf=0,
        window=Window(float(columns["low"]), float(columns["high"])),
        n_expected=float(columns["n_expected"]),
        uncertainty_statistical=0.0,
        uncertainty_function=0.0,
    )
    inputs = _density_inputs(_background(split, truth)[0], read_regions(split))
    density = DENSITY.load(artifact.groups["weights"], inputs)
    return SmoothModel(density, spectrum, float(columns["n_expected"]), artifact.features), artifact

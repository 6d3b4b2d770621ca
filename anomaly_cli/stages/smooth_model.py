"""The smooth model of the background: fresh events for pseudo-experiments, with nothing injected by nature.

All background of a labelled file between the outer ends of the side-bands gives a conditional density of
the features and a dijet spectrum, each fitted once. Pseudo-experiments drawn from them share no event, as
those of a bootstrap would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split, read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import Artifact, read_artifact, write_artifact
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import EDGE_ANCHORS, Events, concatenate, make_events
from anomaly_cli.core.progress import Step
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.nets.density import ConditionalDensity, fit_density
from anomaly_cli.nets.training import Diverged
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute

STAGE, VERSION = "smooth model", 1


@dataclass(frozen=True)
class SmoothModel:
    """Where pseudo-experiments come from.

    Attributes:
        density: of the features at given mass.
        spectrum: dijet spectrum over the whole range.
        n_expected: mean number of events of a pseudo-experiment.
        names: feature names.
    """

    density: ConditionalDensity
    spectrum: MassFit
    n_expected: float
    names: tuple[str, ...]

    def draw(self, streams: Streams) -> Events:
        """Draw one pseudo-experiment; ids count from 0."""
        n = int(streams.generator("number").poisson(self.n_expected))
        mjj = self.spectrum.sample(n, streams.generator("masses"))
        features = self.density.sample(mjj, streams.integer("features"))
        return make_events(mjj, features, self.names, np.arange(n))


def outer_range(regions: Regions) -> Window:
    """Return the range from the lower end of the lower side-band to the upper end of the upper one."""
    return Window(regions.sb1.low, regions.sb2.high)


def make_smooth_model(run: RunDirectory, epochs: int, seed: int, resources: Resources, overwrite: bool) -> Outcome:
    """Fit the smooth model to all background of a labelled file and write its artifact.

    Raises:
        ConfigError: where the data have no labels.
        TrainingError: where the fit diverges.
    """
    split = read_split(run)
    truth = read_truth(run, split)
    if truth is None:
        raise ConfigError(
            "pseudo-experiments are drawn from a model of labelled background, and the data have no labels; calibrate"
            " with simulated data of the same kind, in a run directory of its own"
        )
    inputs = {"split": split.digest, "truth": truth.digest}
    plan = Plan(STAGE, run.artifact(schema.SMOOTH_MODEL), Provenance(STAGE, VERSION, {"epochs": epochs}, seed, inputs))

    def make() -> None:
        regions = read_regions(split)
        window = outer_range(regions)
        observed = concatenate([split.events(name) for name in ("sb1", "sr", "sb2", "rest")])
        kept = observed.take(~truth.is_signal[observed.event_id] & window.contains(observed.mjj))
        background = concatenate([kept, truth.background(window)])
        spectrum = fit_mass_spectrum([background.mjj], [window], window)

        def report(done: int, total: int, note: str) -> None:
            resources.progress(Step("smooth model: density", done, total, note))

        try:
            density = fit_density(
                (background.mjj, background.features),
                [EDGE_ANCHORS.get(name) for name in background.names],
                epochs,
                resources.streams("smooth model").integer("training"),
                report,
            )
        except Diverged:
            raise TrainingError("the smooth model's density diverged twice; try another --seed") from None
        groups: dict[str, dict[str, Any]] = {
            "weights": density.to_arrays(),
            "spectrum": {
                "parameters": spectrum.parameters,
                "rotation": spectrum.rotation,
                "low": window.low,
                "high": window.high,
                "n_expected": spectrum.n_expected * len(kept) / len(background),
                "p_value": spectrum.p_value,
            },
        }
        write_artifact(plan.output, schema.SMOOTH_MODEL, groups, plan.provenance, background.names)

    return execute(plan, overwrite, make)


def read_smooth_model(run: RunDirectory) -> tuple[SmoothModel, Artifact]:
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
    density = ConditionalDensity.from_arrays(artifact.groups["weights"])
    return SmoothModel(density, spectrum, float(columns["n_expected"]), artifact.features), artifact

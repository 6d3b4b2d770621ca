"""The smooth model of the background: fresh events for pseudo-experiments, with nothing injected by nature.

All background of a labelled file between the outer ends of the side-bands gives a conditional density of
the features and a dijet spectrum, each fitted once. The density is that of CATHODE, trained on the signal
region too. Pseudo-experiments drawn from them share no event, as those of a bootstrap would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit, fit_mass_spectrum
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_truth
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events, concatenate, make_events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.seen import VALIDATION_FRACTION, Seen
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import Regions, Window
from anomaly_cli.methods.base import FittedTemplate, Request
from anomaly_cli.methods.cathode import Cathode
from anomaly_cli.search.split import Split, split_events
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.experiment_jobs import Drawn, Job, draw_signal

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

    def draw(self, compute: Compute) -> Events:
        """Draw one pseudo-experiment; ids count from 0."""
        n = int(compute.streams.generator("number").poisson(self.n_expected))
        mjj = self.spectrum.sample(n, compute.streams.generator("masses"))
        drawn = self.density.sample(Request(mjj), compute.child("features")).events
        return make_events(mjj, drawn.features, self.names, np.arange(n))


@dataclass(frozen=True)
class SmoothSource:
    """Pseudo-experiments of the smooth model in the windows of a run.

    Attributes:
        model: where background comes from.
        signal: labelled signal events, all masses.
        regions: the mass windows.
    """

    model: SmoothModel
    signal: Events
    regions: Regions

    def draw(self, job: Job, compute: Compute) -> Drawn:
        """Draw the events of a job; signal in all of the spectrum, of which what lies in range is seen."""
        events = self.model.draw(compute.child("events"))
        if job.n_injected:
            signal = draw_signal(self.signal, job.n_injected, compute.streams)
            events = concatenate([events, signal.take(outer_range(self.regions).contains(signal.mjj))])
        return Drawn(split_events(events, self.regions))


def labelled_signal(run: RunDirectory) -> Events:
    """Return all signal events with labels, used in the pseudo-data or not."""
    truth, observed = require_truth(run), stored_split(run.read(schema.SPLIT)).everything
    return concatenate([observed.take(truth.of(observed)), truth.unused_signal])


def outer_range(regions: Regions) -> Window:
    """Return the range from the lower end of the lower side-band to the upper end of the upper one."""
    return Window(regions.sb1.low, regions.sb2.high)


def _make(analysis: Analysis) -> Made:
    run = analysis.run
    split, truth = stored_split(run.read(schema.SPLIT)), require_truth(run)
    background, share = _background(split, truth)
    window = outer_range(split.regions)
    spectrum = fit_mass_spectrum([background.mjj], [window], window, split.regions.collision_energy)
    compute = replace(analysis.compute.child("smooth model").named("smooth model: density"), threads=1)
    density = DENSITY.fit(_density_inputs(background, split.regions), compute)
    groups: dict[str, Mapping[str, Any]] = {
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
    return Made(groups, background.names)


SMOOTH = Stage(
    name="smooth model",
    version=2,
    kind=schema.SMOOTH_MODEL,
    settings=lambda analysis: {"density": asdict(DENSITY), "device": analysis.compute.device},
    make=_make,
    refuse=lambda analysis: _refuse(analysis.run),
)
"""Fits the smooth model to all background of a labelled file."""


def _refuse(run: RunDirectory) -> None:
    require_truth(run)


def require_truth(run: RunDirectory) -> Truth:
    """Return the truth of a run.

    Raises:
        ConfigError: where its data have no labels, or its reference is weighted.
    """
    found = read_truth(run)
    if found is None:
        raise ConfigError(
            "pseudo-experiments are drawn from a model of labelled background, and the data have no labels; calibrate"
            " with simulated data of the same kind, in a run directory of its own"
        )
    if not np.allclose(found[0].reference.weight, 1.0):
        raise ConfigError(
            "pseudo-experiments are made of events of equal weight, and those of --reference differ; split without it,"
            " or with a reference of equal weights"
        )
    return found[0]


def _background(split: Split, truth: Truth) -> tuple[Events, float]:
    """Return all true background in range, and the share of it that a run observes."""
    window, observed = outer_range(split.regions), split.everything
    kept = observed.take(~truth.of(observed) & window.contains(observed.mjj))
    background = concatenate([kept, truth.background(window)])
    return background, len(kept) / len(background)


def _density_inputs(background: Events, regions: Regions) -> Seen:
    """Return the whole range as two side-bands that meet in the middle of the signal region."""
    middle = (regions.sr.low + regions.sr.high) / 2
    lower, upper = (background.take(mask) for mask in (background.mjj < middle, background.mjj >= middle))
    ids = np.concatenate([lower.event_id, upper.event_id])
    return Seen(lower, upper, regions, hash_uniform(ids, VALIDATION_SALT) < VALIDATION_FRACTION)


def read_smooth_model(run: RunDirectory) -> tuple[SmoothModel, Artifact]:
    """Return the smooth model of a run, and its artifact."""
    artifact = run.read(schema.SMOOTH_MODEL)
    split = stored_split(run.read(schema.SPLIT))
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
        collision_energy=split.regions.collision_energy,
    )
    seen = _density_inputs(_background(split, require_truth(run))[0], split.regions)
    density = DENSITY.load(artifact.groups["weights"], seen)
    return SmoothModel(density, spectrum, float(columns["n_expected"]), artifact.features), artifact

"""Closure and over-dispersion that have been measured for a configuration, found by its settings digest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.analysis.nonclosure import Nonclosure, WindowCounts, measure_cuts
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.measured_on import described_events, difference_of_events
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.config import Config
from anomaly_cli.core.arrays import Arrays
from anomaly_cli.core.cuts import BY_MEAN, NO_CORRECTION, Cuts
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.stages.resolve import resolve_correction


@dataclasses.dataclass(frozen=True)
class Factor:
    """A k-fold factor as it was measured.

    Attributes:
        value: standard deviation of Z over pseudo-experiments; may be below 1, which is used as 1.
        error: its statistical error.
        n_experiments: how many it comes from.
    """

    value: float = math.nan
    error: float = math.nan
    n_experiments: int = 0


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What has been measured for a configuration.

    Attributes:
        closure: closure uncertainty by background efficiency.
        overdispersion: k-fold factor by background efficiency, at least 1.
        inputs: digests of the artifacts that it comes from.
        factors: the k-fold factors as they were measured.
        correct: how expectations are corrected, one of `CORRECTIONS`.
    """

    closure: Mapping[float, Nonclosure]
    overdispersion: Mapping[float, float]
    inputs: Mapping[str, str]
    factors: Mapping[float, Factor] = dataclasses.field(default_factory=dict)
    correct: str = NO_CORRECTION

    def of(self, efficiency: float) -> Measured:
        """Return what is known for a cut; NaN for what is not."""
        closure = self.closure.get(efficiency)
        factor = self.overdispersion.get(efficiency, np.nan)
        if closure is None:
            return Measured(overdispersion=factor)
        if self.correct == BY_MEAN and not closure.is_transferred:
            return Measured(
                closure.residual,
                factor,
                closure.n_windows,
                closure.residual_p,
                1.0 + closure.mean,
                closure.residual_in_errors,
                closure.mean_in_errors,
            )
        return Measured(
            closure.size, factor, closure.n_windows, closure.p_value, closure_in_errors=closure.size_in_errors
        )

    def of_each(self, cuts: Cuts) -> dict[float, Measured]:
        """Return what is known for every cut, by background efficiency."""
        return {efficiency: self.of(efficiency) for efficiency in cuts.background_efficiencies}


def find_measurements(run: RunDirectory, config: Config, digest: str) -> Measurements:
    """Return what has been measured for a settings digest and such events, in the run or in the directory it names.

    Raises:
        ConfigError: where a directory is named and holds nothing for these settings, or it was measured on other data
            or on many more or fewer events.
    """
    named = config.significance.measurements
    place = RunDirectory(Path(named)) if named else run
    events = described_events(run.read(schema.SPLIT))
    matching = [_read_matching(place, kind, digest) for kind in (schema.OVERDISPERSION, schema.VALIDATION)]
    if named:
        for artifact in filter(None, matching):
            _refuse_other_events(artifact, events, named)
    experiments, validation = (
        artifact if artifact and not _difference(artifact, events) else None for artifact in matching
    )
    if named and experiments is None and validation is None:
        raise ConfigError(
            f"--measurements {named}: holds no validation.h5 or overdispersion.h5 of these settings; measure there"
            " with 'anomaly run --measure'"
        )
    factors = _factors(experiments) if experiments is not None else {}
    overdispersion = {efficiency: max(1.0, factor.value) for efficiency, factor in factors.items()}
    closure = closure_by_efficiency(validation.groups["counts"], overdispersion) if validation else {}
    found = {"validation": validation, "overdispersion": experiments}
    inputs = {name: item.digest if item else NOT_THERE for name, item in found.items()}
    return Measurements(closure, overdispersion, inputs, factors, resolve_correction(config))


def _factors(experiments: Artifact) -> dict[float, Factor]:
    tests, n = experiments.groups["tests"], len(experiments.groups["experiments"]["z"])
    columns = (tests[name].tolist() for name in ("background_efficiency", "overdispersion", "overdispersion_error"))
    return {efficiency: Factor(value, error, n) for efficiency, value, error in zip(*columns, strict=True)}


def _read_matching(run: RunDirectory, kind: Kind, digest: str) -> Artifact | None:
    path = run.artifact(kind)
    if not path.exists():
        return None
    artifact = run.read_file(path, kind)
    return artifact if artifact.provenance.settings["settings_digest"] == digest else None


def _refuse_other_events(artifact: Artifact, events: Mapping[str, Any], named: str) -> None:
    difference = _difference(artifact, events)
    if difference:
        raise ConfigError(
            f"--measurements {named}: {artifact.path.name} was measured {difference}, where templates are off by other"
            " amounts; measure on these data with 'anomaly run --measure'"
        )


def _difference(artifact: Artifact, events: Mapping[str, Any]) -> str:
    return difference_of_events(artifact.provenance.settings["events"], events)


def closure_by_efficiency(counts: Arrays, overdispersion: Mapping[float, float]) -> dict[float, Nonclosure]:
    """Return the closure uncertainty of every cut that was counted in the validation windows."""
    efficiencies = np.unique(counts["background_efficiency"])[::-1].tolist()
    cuts = [(window_counts(counts, efficiency), overdispersion.get(efficiency, 1.0)) for efficiency in efficiencies]
    return dict(zip(efficiencies, measure_cuts(cuts), strict=True))


def window_counts(counts: Arrays, efficiency: float) -> WindowCounts:
    """Return the counts of one cut in all windows."""
    rows = counts["background_efficiency"] == efficiency
    return WindowCounts(
        n_passing=counts["n_passing"][rows].astype(np.float64),
        n_all=counts["n_all"][rows].astype(np.float64),
        efficiency=counts["efficiency"][rows],
        template_uncertainty=counts["efficiency_uncertainty"][rows],
        model_uncertainty=np.nan_to_num(counts["model_uncertainty"][rows]),
        window=counts["window"][rows],
    )

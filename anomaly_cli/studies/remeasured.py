"""Closure and over-dispersion measured anew in a pseudo-experiment, as an analysis measures them on its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anomaly_cli.analysis.modelling import Measured
from anomaly_cli.config import SignificanceSettings
from anomaly_cli.core.compute import Compute
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.pseudo import experiment_significances
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import MadeTemplate
from anomaly_cli.search.windows import count_window, counts_of, find_windows, search_windows
from anomaly_cli.stages.measurements import Measurements, closure_by_efficiency
from anomaly_cli.studies.experiment_jobs import Record


@dataclass(frozen=True)
class Remeasure:
    """How much is measured in every pseudo-experiment; the names are those of the settings.

    Attributes:
        experiments: pseudo-experiments for the over-dispersion.
        windows: signal-free windows for the closure, at most.
        window_width: their width in units of the signal region's.
    """

    experiments: int
    windows: int
    window_width: float

    @staticmethod
    def of(settings: SignificanceSettings) -> Remeasure:
        """Return what a run with these settings measures."""
        return Remeasure(settings.experiments, settings.windows, settings.window_width)

    def described(self) -> dict[str, Any]:
        """Return the settings as they are hashed."""
        return asdict(self)

    def measure(self, split: Split, made: MadeTemplate, settings: SearchSettings, compute: Compute) -> Record:
        """Return the Z of the pseudo-experiments, and the counts of the windows.

        Args:
            split: the events of the search.
            made: its template.
            settings: how it is done.
            compute: one process, and the streams of this pseudo-experiment.

        Raises:
            PhysicsError: where the events leave fewer than three windows, or none large enough for a cut.
        """
        z = [
            experiment_significances(made.template, made.fitted, split, settings, compute.child(f"overdispersion/{n}"))[
                0
            ]
            for n in range(self.experiments)
        ]
        windows, _ = find_windows(split, self.window_width, settings.cuts.least_fit_p)
        rows = [
            row
            for index, searched in search_windows(windows[: self.windows], settings, Provisions(), compute)
            for row in count_window(index, searched, settings.cuts.loosest_first)
        ]
        counts = {name: values.tolist() for name, values in counts_of(rows, settings.cuts.loosest_first).items()}
        return {"experiments": [one.tolist() for one in z], "windows": counts}


def measured_in(record: Record, correct: str) -> dict[float, Measured]:
    """Return what was measured in a pseudo-experiment, by background efficiency.

    Args:
        record: with `cuts`, `experiments` and `windows`; columns of `experiments` are in the order of `cuts`.
        correct: how expectations are corrected, one of `CORRECTIONS`.
    """
    efficiencies = [cut["background_efficiency"] for cut in record["cuts"]]
    spread = np.std(record["experiments"], axis=0, ddof=1)
    factors = dict(zip(efficiencies, np.maximum(spread, 1.0).tolist(), strict=True))
    columns = {name: np.asarray(values) for name, values in record["windows"].items()}
    known = Measurements(closure_by_efficiency(columns, factors), factors, {}, correct=correct)
    return {efficiency: known.of(efficiency) for efficiency in efficiencies}

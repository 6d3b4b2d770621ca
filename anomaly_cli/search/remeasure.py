"""A search together with the measurement of its own uncertainties, as a calibration of the whole procedure needs it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from anomaly_cli.core.compute import Compute
from anomaly_cli.core.progress import silent
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.pseudo import draw_experiment, pseudo_significances, search_experiment
from anomaly_cli.search.rank import rank
from anomaly_cli.search.run import Searched
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import choose_crossfit, fit_parts, sample_template, see
from anomaly_cli.search.windows import count_window, find_windows, search_windows


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        windows: signal-free windows, at most.
        window_width: their width in units of the signal region's.
        experiments: pseudo-experiments for the over-dispersion.
    """

    windows: int
    window_width: float
    experiments: int


def search_and_measure(
    split: Split, settings: SearchSettings, effort: Effort, compute: Compute
) -> tuple[Searched, dict[str, Any]]:
    """Return what a search gives, and what its windows and pseudo-experiments measure, as small numbers.

    Search and measurements use the streams that `run_search`, the windows and the over-dispersion of a run use.

    Raises:
        AnomalyError: where there are too few events or windows, or a training diverges.
    """
    seen, own = see(split, settings.method, Provisions(), compute), replace(compute, progress=silent)
    fitted = fit_parts(settings, seen, choose_crossfit(settings, seen, own), own)
    made = sample_template(settings.method, fitted, split, settings.oversampling, own)
    ranked = rank(split, made.template, settings, Provisions(), own)
    cuts = settings.cuts.loosest_first
    windows = find_windows(split, effort.window_width, settings.cuts.least_fit_p)[0][: effort.windows]
    counts = [
        row
        for index, searched in search_windows(windows, settings, Provisions(), own)
        for row in count_window(index, searched, cuts)
    ]
    z = []
    for index in range(effort.experiments):
        child = own.child(f"overdispersion/{index}")
        experiment = draw_experiment(made.template, fitted, len(split.sr), child)
        z.append(
            pseudo_significances(search_experiment(experiment, split, settings, Provisions(), child), cuts).tolist()
        )
    return Searched(ranked.observed, ranked.template, ranked.replicas, made.mass_fit), {"windows": counts, "z": z}

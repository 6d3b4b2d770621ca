"""Injection study: significance, limit and signal efficiency against the signal that is put in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.run import require_side_bands_only
from anomaly_cli.stages.frame import Analysis, Made, Stage, execute
from anomaly_cli.stages.split import stored_split
from anomaly_cli.studies.experiment_jobs import Job, Record, injection_jobs, refuse_too_much_signal
from anomaly_cli.studies.experiments import Laboratory, divide_records, open_laboratory, run_jobs, study_stage
from anomaly_cli.studies.free_windows import OPTION, open_windows
from anomaly_cli.studies.smooth_model import SMOOTH, SmoothSource, labelled_signal, read_smooth_model

FOLDER = "injection"
QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Bands of an injection study."""


def open_injection(
    analysis: Analysis, jobs: Sequence[Job], in_windows: bool = False, signal: Path | None = None
) -> Laboratory:
    """Return what the jobs of an injection study share; the smooth model is made where it is missing.

    Args:
        analysis: the run.
        jobs: its jobs.
        in_windows: whether signal goes into signal-free windows of the data, not into pseudo-data of a smooth model.
        signal: a file of signal for the windows; None for the labelled signal of the data.

    Raises:
        AnomalyError: where there is no signal or too little, no labels, or the method needs more than side-bands.
    """
    require_side_bands_only(analysis.settings, "pseudo-experiments")
    if in_windows:
        source, named = open_windows(analysis, signal, jobs)
        return open_laboratory(analysis, FOLDER, source, named)
    if signal is not None:
        raise ConfigError(f"{OPTION} {signal}: goes with --in-windows; a smooth model takes the data's labelled signal")
    known = labelled_signal(analysis.run)
    refuse_too_much_signal(max(job.n_injected for job in jobs), len(known))  # the smooth model takes a minute
    execute(SMOOTH, analysis)
    model, artifact = read_smooth_model(analysis.run)
    regions = stored_split(analysis.run.read(schema.SPLIT)).regions
    return open_laboratory(analysis, FOLDER, SmoothSource(model, known, regions), artifact.digest)


def injection_stage(
    analysis: Analysis,
    injected: Sequence[int],
    n_experiments: int,
    in_windows: bool = False,
    signal: Path | None = None,
) -> Stage[Analysis]:
    """Return the stage that runs pseudo-experiments with injected signal that are missing.

    Raises:
        AnomalyError: where pseudo-experiments cannot be made.
    """
    jobs = injection_jobs(injected, n_experiments)
    laboratory = open_injection(analysis, jobs, in_windows, signal)

    def make(analysis: Analysis) -> Made:
        made = run_jobs(laboratory, jobs, analysis.compute, "injection study: pseudo-experiments")
        records, groups = divide_records(laboratory, made, 1)
        rows = [
            _row([r for r in records if r["n_injected"] == n], n, column, efficiency)
            for n in sorted({record["n_injected"] for record in records})
            for column, efficiency in enumerate(laboratory.settings.cuts.background_efficiencies)
        ]
        return Made({**groups, "tests": as_columns(rows)})

    settings = {"injected": list(injected), "experiments": n_experiments, "in_windows": in_windows}
    return study_stage(schema.INJECTION, laboratory, settings, make)


def _row(records: Sequence[Record], n: int, column: int, efficiency: float) -> dict[str, Any]:
    values = {name: np.array([r[name][column] for r in records]) for name in ("z", "limit", "n_signal")}
    share = values["n_signal"] / n if n else np.full(len(records), np.nan)
    return {
        "n_injected": n,
        "background_efficiency": efficiency,
        "n_experiments": len(records),
        "z_mean": values["z"].mean(),
        "z_std": _spread(values["z"]),
        "z_quantiles": np.quantile(values["z"], QUANTILES),
        "limit_mean": values["limit"].mean(),
        "limit_std": _spread(values["limit"]),
        "limit_quantiles": np.quantile(values["limit"], QUANTILES),
        "signal_efficiency": share.mean(),
        "signal_efficiency_std": _spread(share),
    }


def _spread(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan

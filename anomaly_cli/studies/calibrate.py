"""Calibration and injection study: artifacts from lists of pseudo-experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from anomaly_cli.analysis.calibration import LEVELS, summarise
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.run import require_side_bands_only
from anomaly_cli.stages.frame import Analysis, Made, Stage, execute
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.studies.experiments import (
    Job,
    Laboratory,
    Record,
    divide_records,
    labelled_signal,
    open_laboratory,
    refuse_too_much_signal,
    run_jobs,
)
from anomaly_cli.studies.smooth_model import SMOOTH

VERSION = 3
FEWEST_EXPERIMENTS = 2
"""A spread needs two."""
QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)
"""Bands of an injection study."""


def calibration_jobs(n_experiments: int) -> list[Job]:
    """Return the jobs of a calibration.

    Raises:
        ConfigError: for fewer than two.
    """
    if n_experiments < FEWEST_EXPERIMENTS:
        raise ConfigError(f"--experiments {n_experiments}: a spread needs at least {FEWEST_EXPERIMENTS}")
    return injection_jobs([0], n_experiments)


def injection_jobs(injected: Sequence[int], n_experiments: int) -> list[Job]:
    """Return the jobs of an injection study: every yield `n_experiments` times.

    Raises:
        ConfigError: for no yields, negative or repeated ones, or fewer than two experiments of each.
    """
    if not injected or min(injected) < 0 or len(set(injected)) < len(injected):
        raise ConfigError("--injected: name each number of signal events once, 0 or more")
    if n_experiments < FEWEST_EXPERIMENTS:
        raise ConfigError(f"--experiments {n_experiments}: a spread needs at least {FEWEST_EXPERIMENTS} of each yield")
    return [Job(index, n) for n in injected for index in range(n_experiments)]


def prepare(analysis: Analysis, folder: str, jobs: Sequence[Job]) -> Laboratory:
    """Make the smooth model where it is missing, and return what the jobs share.

    Raises:
        AnomalyError: where the data have no labels or too little signal, or the method needs more than side-bands.
    """
    require_side_bands_only(analysis.settings, "pseudo-experiments")
    n_signal = len(labelled_signal(analysis.run))
    refuse_too_much_signal(max(job.n_injected for job in jobs), n_signal)  # the smooth model takes a minute
    execute(SMOOTH, analysis)
    return open_laboratory(analysis, folder)


def run_single_job(analysis: Analysis, folder: str, jobs: Sequence[Job], index: int) -> list[Record]:
    """Run one job of a list and keep its record.

    Raises:
        ConfigError: where there is no such job.
    """
    if not 0 <= index < len(jobs):
        raise ConfigError(f"--index {index}: the list has the jobs 0 to {len(jobs) - 1}")
    laboratory = prepare(analysis, folder, jobs)
    return run_jobs(laboratory, [jobs[index]], analysis.compute, f"{folder}: job {index}")


def _stage(
    kind: Kind, laboratory: Laboratory, settings: Mapping[str, Any], make: Callable[[Analysis], Made]
) -> Stage[Analysis]:
    """Return the stage of a list of pseudo-experiments."""

    def described(analysis: Analysis) -> dict[str, Any]:
        digest = configured_identity(analysis).digest
        return {**settings, **laboratory.contains, "correct": laboratory.correct, "settings_digest": digest}

    return Stage(kind.name, VERSION, kind, settings=described, make=make, inputs=lambda _: laboratory.inputs)


def calibration_stage(analysis: Analysis, n_experiments: int) -> Stage[Analysis]:
    """Return the stage that runs background-only pseudo-experiments that are missing.

    Raises:
        AnomalyError: where pseudo-experiments cannot be made.
    """
    jobs = calibration_jobs(n_experiments)
    laboratory = prepare(analysis, "calibration", jobs)

    def make(analysis: Analysis) -> Made:
        made = run_jobs(laboratory, jobs, analysis.compute, "calibration: pseudo-experiments")
        records, groups = divide_records(laboratory, made, FEWEST_EXPERIMENTS)
        rows = [
            _calibration_row(records, column, efficiency)
            for column, efficiency in enumerate(laboratory.settings.cuts.background_efficiencies)
        ]
        return Made({**groups, "tests": as_columns(rows), "levels": {"level": list(LEVELS)}})

    return _stage(schema.CALIBRATION, laboratory, {"experiments": n_experiments}, make)


def _calibration_row(records: Sequence[Record], column: int, efficiency: float) -> dict[str, Any]:
    z, p, between, bare = (
        np.array([record[name][column] for record in records]) for name in ("z", "p0", "p0_randomised", "z_statistical")
    )
    found = summarise(z, p, between)
    return {
        "background_efficiency": efficiency,
        "mean": found.mean,
        "mean_error": found.mean_error,
        "std": found.std.value,
        "std_low": found.std.low,
        "std_high": found.std.high,
        "std_statistical": float(bare.std(ddof=1)),
        "mean_statistical": float(bare.mean()),
        "type_one": [item.value for item in found.type_one],
        "type_one_low": [item.low for item in found.type_one],
        "type_one_high": [item.high for item in found.type_one],
        "ks_p": found.ks_p,
    }


def injection_stage(analysis: Analysis, injected: Sequence[int], n_experiments: int) -> Stage[Analysis]:
    """Return the stage that runs pseudo-experiments with injected signal that are missing.

    Raises:
        AnomalyError: where pseudo-experiments cannot be made.
    """
    jobs = injection_jobs(injected, n_experiments)
    laboratory = prepare(analysis, "injection", jobs)

    def make(analysis: Analysis) -> Made:
        made = run_jobs(laboratory, jobs, analysis.compute, "injection study: pseudo-experiments")
        records, groups = divide_records(laboratory, made, 1)
        rows = [
            _injection_row([r for r in records if r["n_injected"] == n], n, column, efficiency)
            for n in sorted({record["n_injected"] for record in records})
            for column, efficiency in enumerate(laboratory.settings.cuts.background_efficiencies)
        ]
        return Made({**groups, "tests": as_columns(rows)})

    settings = {"injected": list(injected), "experiments": n_experiments}
    return _stage(schema.INJECTION, laboratory, settings, make)


def _injection_row(records: Sequence[Record], n: int, column: int, efficiency: float) -> dict[str, Any]:
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

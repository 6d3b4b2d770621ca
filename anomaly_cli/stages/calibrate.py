"""Calibration and injection study: artifacts from lists of pseudo-experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from anomaly_cli.analysis.calibration import LEVELS, summarise
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.contents import read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.stages.experiments import (
    Job,
    Laboratory,
    Record,
    divide_records,
    labelled_signal,
    open_laboratory,
    refuse_too_much_signal,
    run_jobs,
)
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.measurements import configured_digest
from anomaly_cli.stages.search import require_side_bands_only
from anomaly_cli.stages.significance import columns_of
from anomaly_cli.stages.smooth_model import make_smooth_model, require_truth

VERSION = 2
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


def prepare(
    run: RunDirectory, config: Config, resources: Resources, overwrite: bool, folder: str, jobs: Sequence[Job]
) -> Laboratory:
    """Make the smooth model where it is missing, and return what the jobs share.

    Raises:
        AnomalyError: where the data have no labels or too little signal, or the method needs more than side-bands.
    """
    require_side_bands_only(config, "pseudo-experiments")
    split = read_split(run)
    n_signal = len(labelled_signal(split, require_truth(run, split)))
    refuse_too_much_signal(max(job.n_injected for job in jobs), n_signal)  # the smooth model takes a minute
    make_smooth_model(run, config.seed, resources, overwrite)
    return open_laboratory(run, config, folder)


def run_single_job(
    run: RunDirectory, config: Config, resources: Resources, folder: str, jobs: Sequence[Job], index: int
) -> list[Record]:
    """Run one job of a list and keep its record.

    Raises:
        ConfigError: where there is no such job.
    """
    if not 0 <= index < len(jobs):
        raise ConfigError(f"--index {index}: the list has the jobs 0 to {len(jobs) - 1}")
    laboratory = prepare(run, config, resources, False, folder, jobs)
    return run_jobs(laboratory, [jobs[index]], resources, f"{folder}: job {index}")


def make_calibration(
    run: RunDirectory, config: Config, resources: Resources, overwrite: bool, n_experiments: int
) -> Outcome:
    """Run background-only pseudo-experiments that are missing, and write the calibration artifact."""
    jobs = calibration_jobs(n_experiments)
    laboratory = prepare(run, config, resources, overwrite, "calibration", jobs)
    plan = _plan(run, config, laboratory, schema.CALIBRATION, {"experiments": n_experiments})

    def make() -> None:
        made = run_jobs(laboratory, jobs, resources, "calibration: pseudo-experiments")
        records, groups = divide_records(laboratory, made, FEWEST_EXPERIMENTS)
        z, p, between, bare = (
            np.array([record[name] for record in records]) for name in ("z", "p0", "p0_randomised", "z_statistical")
        )
        rows = []
        for column, efficiency in enumerate(laboratory.config.significance.background_efficiencies):
            found = summarise(z[:, column], p[:, column], between[:, column])
            rows.append(
                {
                    "background_efficiency": efficiency,
                    "mean": found.mean,
                    "mean_error": found.mean_error,
                    "std": found.std.value,
                    "std_low": found.std.low,
                    "std_high": found.std.high,
                    "std_statistical": float(bare[:, column].std(ddof=1)),
                    "mean_statistical": float(bare[:, column].mean()),
                    "type_one": [item.value for item in found.type_one],
                    "type_one_low": [item.low for item in found.type_one],
                    "type_one_high": [item.high for item in found.type_one],
                    "ks_p": found.ks_p,
                }
            )
        groups |= {"tests": columns_of(rows), "levels": {"level": list(LEVELS)}}
        write_artifact(plan.output, schema.CALIBRATION, groups, plan.provenance)

    return execute(plan, overwrite, make)


def make_injection_study(
    run: RunDirectory,
    config: Config,
    resources: Resources,
    overwrite: bool,
    injected: Sequence[int],
    n_experiments: int,
) -> Outcome:
    """Run pseudo-experiments with injected signal that are missing, and write the injection artifact."""
    jobs = injection_jobs(injected, n_experiments)
    laboratory = prepare(run, config, resources, overwrite, "injection", jobs)
    settings = {"injected": list(injected), "experiments": n_experiments}
    plan = _plan(run, config, laboratory, schema.INJECTION, settings)

    def make() -> None:
        made = run_jobs(laboratory, jobs, resources, "injection study: pseudo-experiments")
        records, groups = divide_records(laboratory, made, 1)
        efficiencies = laboratory.config.significance.background_efficiencies
        rows = [
            _injection_row([r for r in records if r["n_injected"] == n], n, column, efficiency)
            for n in sorted({record["n_injected"] for record in records})
            for column, efficiency in enumerate(efficiencies)
        ]
        groups |= {"tests": columns_of(rows)}
        write_artifact(plan.output, schema.INJECTION, groups, plan.provenance)

    return execute(plan, overwrite, make)


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


def _plan(run: RunDirectory, config: Config, laboratory: Laboratory, kind: Kind, settings: dict[str, Any]) -> Plan:
    described = {**settings, **laboratory.contains, "settings_digest": configured_digest(read_split(run), config)}
    provenance = Provenance(kind.name, VERSION, described, config.seed, laboratory.inputs)
    return Plan(kind.name, run.artifact(kind), provenance)

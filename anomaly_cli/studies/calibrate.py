"""Calibration: Z where there is no signal, in disjoint sets of background, with everything measured anew in each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.calibration import LEVELS, summarise
from anomaly_cli.artifacts import schema
from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.windows import Window
from anomaly_cli.search.run import require_side_bands_only
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.studies.background_sets import OPTION, SetSource, open_sets
from anomaly_cli.studies.experiment_jobs import FEWEST_EXPERIMENTS, Record
from anomaly_cli.studies.experiments import Laboratory, divide_records, open_laboratory, run_jobs, study_stage
from anomaly_cli.studies.overdispersion import refuse_unreachable
from anomaly_cli.studies.remeasured import Remeasure

FOLDER = "calibration"


def open_calibration(
    analysis: Analysis, files: Sequence[Path], regions: Sequence[Window]
) -> tuple[Laboratory, SetSource]:
    """Return what the searches of a calibration share, and the sets that they are made in.

    Raises:
        ConfigError: where a set cannot be used, or the method or the score needs more than side-bands.
    """
    require_side_bands_only(analysis.settings, "calibration")
    refuse_unreachable(analysis.settings)
    source = open_sets(analysis, files, regions)
    remeasure = Remeasure.of(analysis.config.significance)
    return open_laboratory(analysis, FOLDER, source, "background sets", remeasure), source


def calibration_stage(analysis: Analysis, files: Sequence[Path], regions: Sequence[Window]) -> Stage[Analysis]:
    """Return the stage that makes those searches that are missing.

    Raises:
        AnomalyError: where the sets cannot be searched, or make fewer searches than a spread needs.
    """
    laboratory, source = open_calibration(analysis, files, regions)
    jobs = source.jobs()
    if len(jobs) < FEWEST_EXPERIMENTS:
        raise ConfigError(
            "calibration: one search does not tell how Z scatters; name further signal regions with --region WINDOW, or"
            f" more background with {OPTION} FILE"
        )

    def make(analysis: Analysis) -> Made:
        made = run_jobs(laboratory, jobs, analysis.compute, "calibration: searches without signal")
        records, groups = divide_records(laboratory, made, FEWEST_EXPERIMENTS)
        which = np.array([source.set_of(record["index"]) for record in records])
        groups["experiments"]["set"] = which
        rows = [
            _row(records, which, column, efficiency)
            for column, efficiency in enumerate(laboratory.settings.cuts.background_efficiencies)
        ]
        sets = {
            "file": [one.path.name for one in source.sets],
            "digest": [one.digest for one in source.sets],
            "part": [one.part for one in source.sets],
        }
        return Made({**groups, "sets": sets, "tests": as_columns(rows), "levels": {"level": list(LEVELS)}})

    settings = {"sets": [job.name for job in jobs]}
    return study_stage(schema.CALIBRATION, laboratory, settings, make)


def _row(records: Sequence[Record], which: IntArray, column: int, efficiency: float) -> dict[str, Any]:
    z, p, between, bare = (
        np.array([record[name][column] for record in records]) for name in ("z", "p0", "p0_randomised", "z_statistical")
    )
    found = summarise(z, p, between, which)
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
        "n_refused": sum(record["is_refused"][column] for record in records),
    }

"""Validation windows: how far the expectation of the whole search is off where there is no signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.measured_on import described_events
from anomaly_cli.artifacts.pieces import Pieces
from anomaly_cli.core.records import as_columns
from anomaly_cli.search.run import Searched, require_side_bands_only
from anomaly_cli.search.split import Split
from anomaly_cli.search.windows import count_window, counts_of, find_windows, search_windows
from anomaly_cli.stages.closure import SHAREABLE
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.identity import configured_identity
from anomaly_cli.stages.measurements import closure_by_efficiency, window_counts
from anomaly_cli.stages.provisions import input_digests, method_provisions
from anomaly_cli.stages.split import stored_split


def _settings(analysis: Analysis) -> dict[str, Any]:
    return {
        "background_efficiencies": analysis.settings.cuts.loosest_first,
        "windows": analysis.config.significance.windows,
        "window_width": analysis.config.significance.window_width,
        "least_fit_p": analysis.settings.cuts.least_fit_p,
        "settings_digest": configured_identity(analysis).digest,
        "events": described_events(analysis.run.read(schema.SPLIT)),
    }


def _inputs(analysis: Analysis) -> dict[str, str]:
    split = analysis.run.read(schema.SPLIT)
    return {"split": split.digest, **input_digests(analysis, analysis.settings.method)}


def _make(analysis: Analysis) -> Made:
    settings, significance = analysis.settings, analysis.config.significance
    split = stored_split(analysis.run.read(schema.SPLIT))
    found, left_out = find_windows(split, significance.window_width, settings.cuts.least_fit_p)
    found = found[: significance.windows]
    pieces = Pieces.of(analysis.run, WINDOWS.plan(analysis))
    done = pieces.find(len(found))
    provisions = method_provisions(analysis, settings.method)
    for index, searched in search_windows(found, settings, provisions, analysis.compute, done):
        counted = count_window(index, searched, settings.cuts.loosest_first)
        done[index] = pieces.keep(index, {"window": _window_row(found[index], searched), "counts": counted})
    windows = [done[index]["window"] for index in range(len(found))]
    counts = [row for index in range(len(found)) for row in done[index]["counts"]]
    count_columns = counts_of(counts, settings.cuts.loosest_first)
    return Made(
        {
            "windows": as_columns(windows),
            "left_out": {
                "low": [one.window.low for one in left_out],
                "high": [one.window.high for one in left_out],
                "reason": [one.reason for one in left_out],
            },
            "counts": count_columns,
            "closure": _closure_columns(count_columns),
        }
    )


WINDOWS = Stage(
    name="validation",
    version=9,
    kind=schema.VALIDATION,
    settings=_settings,
    inputs=_inputs,
    make=_make,
    refuse=lambda analysis: require_side_bands_only(analysis.settings, "validation windows", SHAREABLE),
)
"""Runs the search in signal-free windows."""


def _window_row(window: Split, searched: Searched) -> dict[str, Any]:
    return {
        "low": window.regions.sr.low,
        "high": window.regions.sr.high,
        "side_band_low": window.regions.sb1.low,
        "side_band_high": window.regions.sb2.high,
        "n_events": len(window.sr),
        "n_side_bands": len(window.sb1) + len(window.sb2),
        "n_template": len(searched.template.score),
        "mass_fit_expected": searched.mass_fit.n_expected,
        "mass_fit_uncertainty": searched.mass_fit.uncertainty,
    }


def _closure_columns(counts: dict[str, Any]) -> Mapping[str, Any]:
    found = closure_by_efficiency(counts, {})
    return as_columns(
        [
            {
                "background_efficiency": efficiency,
                **vars(item),
                "mean_expected": float(window_counts(counts, efficiency).n_expected.mean()),
            }
            for efficiency, item in found.items()
        ]
    )

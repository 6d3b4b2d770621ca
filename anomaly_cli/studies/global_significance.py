"""Global significance of the largest excess over several signal regions and cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.lookelsewhere import (
    GlobalResult,
    SelectedEvents,
    claimable_global,
    copula_generator,
    global_p_value,
    overlap_correlation,
    selected_events,
)
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.significance_kinds import MEASURED
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ArtifactError, ConfigError, PhysicsError
from anomaly_cli.core.windows import Window
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.significance import read_significance

EVENT_SETTINGS = ("inject", "reserve")
"""Settings of the split that decide which events there are."""


@dataclass(frozen=True)
class _Searched:
    window: Window
    significance: Artifact
    scores: Artifact


def global_stage(directories: Sequence[Path], output: Path) -> Stage[Analysis]:
    """Return the stage that combines the tests of one or more runs on the same events.

    Args:
        directories: of the runs, each of another signal region.
        output: file to write.

    Raises:
        ConfigError: where runs are of other events, or two have the same signal region.
        ArtifactError: where a run has not been counted.
    """
    runs = [_read(RunDirectory(directory)) for directory in directories]
    require_same_events([RunDirectory(directory) for directory in directories])
    windows = [run.window for run in runs]
    if len(set(windows)) < len(windows):
        raise ConfigError("two runs have the same signal region; name each region once")
    runs.sort(key=lambda run: (run.window.low, run.window.high))
    return Stage(
        name="global",
        version=6,
        kind=schema.GLOBAL,
        settings=lambda _: {},
        inputs=lambda _: {f"significance {run.window.text}": run.significance.digest for run in runs},
        make=lambda analysis: _make(runs, analysis.compute),
        output=lambda _: output,
        looks=True,
    )


def _make(runs: Sequence[_Searched], compute: Compute) -> Made:
    tests = [(run, index) for run in runs for index in range(len(run.significance.groups["tests"]["z"]))]
    correlation = overlap_correlation([selection for run in runs for selection in _selections(run)])
    z, claimable, efficiencies = (
        np.concatenate([run.significance.groups["tests"][name] for run in runs])
        for name in ("z", "z_claimable", "background_efficiency")
    )
    cuts = np.unique(efficiencies, return_inverse=True)[1]
    found = global_p_value(z, correlation, cuts, copula_generator(compute.streams.seed))
    of_claimable = claimable_global(claimable, correlation, cuts, copula_generator(compute.streams.seed))
    groups: dict[str, Mapping[str, Any]] = {
        "tests": {
            "background_efficiency": efficiencies,
            "low": [run.window.low for run, _ in tests],
            "high": [run.window.high for run, _ in tests],
            "z": z,
            "z_claimable": claimable,
            **{name: np.concatenate([run.significance.groups["tests"][name] for run in runs]) for name in MEASURED},
        },
        "correlation": {"matrix": correlation},
        "result": _columns(found),
        **({"claimable": _columns(of_claimable)} if of_claimable else {}),
    }
    return Made(groups)


def _columns(found: GlobalResult) -> dict[str, float]:
    return {**found.columns(), "p_gross_vitells": found.gross_vitells, "p_sidak": found.sidak}


def _read(run: RunDirectory) -> _Searched:
    significance = read_significance(run)
    require_unblinded(run, str(significance.provenance.settings["settings_digest"]))
    tests = significance.groups["tests"]
    for efficiency, reason in zip(tests["background_efficiency"], tests["no_claim"], strict=True):
        if reason:
            raise PhysicsError(
                f"{run.path}: the cut of {100 * efficiency:g} % allows no claim, since {reason}; count without it, by"
                " --set significance.background_efficiencies=[...], or use another method"
            )
    return _Searched(read_regions(run.read(schema.SPLIT)).sr, significance, run.read(schema.SCORES))


def require_same_events(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs whose event ids name different events.

    Features decide as well which events are usable, and so which number each has: the masses tell.
    """
    splits = [run.read(schema.SPLIT) for run in runs]
    first, masses = splits[0].provenance, _masses(splits[0])
    for run, split in zip(runs[1:], splits[1:], strict=True):
        other = split.provenance
        is_same = other.seed == first.seed and other.inputs == first.inputs
        is_same = is_same and all(other.settings[key] == first.settings[key] for key in EVENT_SETTINGS)
        if not (is_same and np.array_equal(_masses(split), masses)):
            raise ConfigError(
                f"{run.path}: holds other events than {runs[0].path}; run all signal regions with the same --data,"
                " --inject, --reserve, --seed and --features"
            )


def _masses(split: Artifact) -> FloatArray:
    """Return ids and masses of all events, in the order of the ids `(n, 2)`."""
    groups = [split.groups[name] for name in ("sb1", "sr", "sb2", "rest")]
    event_id, mjj = (np.concatenate([group[name] for group in groups]) for name in ("event_id", "mjj"))
    order = np.argsort(event_id, kind="stable")
    return np.column_stack([event_id[order], mjj[order]])


def _selections(run: _Searched) -> list[SelectedEvents]:
    observed, template = (run.scores.groups[name]["event_id"] for name in ("observed", "template"))
    selections = selected_events(
        run.significance.groups, (observed, template), run.scores.provenance.inputs[schema.TEMPLATE.name]
    )
    for efficiency, selection in zip(
        run.significance.groups["tests"]["background_efficiency"], selections, strict=True
    ):
        if selection.is_empty:
            raise ArtifactError(f"{run.significance.path}: the cut of {efficiency:g} selects nothing; leave it out")
    return selections

"""Global significance of the largest excess over several signal regions and cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.analysis.lookelsewhere import (
    SelectedEvents,
    copula_generator,
    global_p_value,
    overlap_correlation,
    selected_events,
)
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions, read_split
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.significance_kinds import MEASURED
from anomaly_cli.artifacts.store import Artifact, write_artifact
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.windows import Window
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.frame import Outcome, Plan, Resources, execute
from anomaly_cli.stages.significance import read_scores, read_significance

STAGE, VERSION = "global", 3
EVENT_SETTINGS = ("inject", "reserve")
"""Settings of the split that decide which events there are."""


@dataclass(frozen=True)
class _Searched:
    window: Window
    significance: Artifact
    scores: Artifact


def make_global(directories: Sequence[Path], seed: int, resources: Resources, overwrite: bool, output: Path) -> Outcome:
    """Combine the tests of one or more runs on the same events and write the global artifact.

    Raises:
        ConfigError: where runs are of other events, or two have the same signal region.
        ArtifactError: where a run has not been counted.
    """
    runs = [_read(RunDirectory(directory)) for directory in directories]
    _check_same_events([RunDirectory(directory) for directory in directories])
    windows = [run.window for run in runs]
    if len(set(windows)) < len(windows):
        raise ConfigError("two runs have the same signal region; name each region once")
    runs.sort(key=lambda run: (run.window.low, run.window.high))
    inputs = {f"significance {run.window.text}": run.significance.digest for run in runs}
    plan = Plan(STAGE, output, Provenance(STAGE, VERSION, {}, seed, inputs))

    def make() -> None:
        tests = [(run, index) for run in runs for index in range(len(run.significance.groups["tests"]["z"]))]
        correlation = overlap_correlation([selection for run in runs for selection in _selections(run)])
        z = np.array([run.significance.groups["tests"]["z"][index] for run, index in tests])
        efficiencies = np.array(
            [run.significance.groups["tests"]["background_efficiency"][index] for run, index in tests]
        )
        cuts = np.unique(efficiencies, return_inverse=True)[1]
        found = global_p_value(z, correlation, cuts, copula_generator(resources.seed))
        groups: dict[str, dict[str, Any]] = {
            "tests": {
                "background_efficiency": efficiencies,
                "low": [run.window.low for run, _ in tests],
                "high": [run.window.high for run, _ in tests],
                "z": z,
                **{name: np.concatenate([run.significance.groups["tests"][name] for run in runs]) for name in MEASURED},
            },
            "correlation": {"matrix": correlation},
            "result": {
                "test": found.index,
                "z_local": found.z_local,
                "p_global": found.p_global,
                "p_global_error": found.error,
                "z_global": found.z_global,
                "p_gross_vitells": found.gross_vitells,
                "p_sidak": found.sidak,
                "n_effective": found.n_effective,
            },
        }
        write_artifact(plan.output, schema.GLOBAL, groups, plan.provenance)

    return execute(plan, overwrite, make)


def _read(run: RunDirectory) -> _Searched:
    split = read_split(run)
    significance = read_significance(run)
    require_unblinded(run, split, str(significance.provenance.settings["settings_digest"]))
    return _Searched(read_regions(split).sr, significance, read_scores(run, split))


def _check_same_events(runs: Sequence[RunDirectory]) -> None:
    """Refuse runs whose event ids name different events."""
    first = read_split(runs[0]).provenance
    for run in runs[1:]:
        other = read_split(run).provenance
        is_same = other.seed == first.seed and other.inputs == first.inputs
        is_same = is_same and all(other.settings[key] == first.settings[key] for key in EVENT_SETTINGS)
        if not is_same:
            raise ConfigError(
                f"{run.path}: holds other events than {runs[0].path}; run all signal regions with the same --data,"
                " --inject, --reserve and --seed"
            )


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

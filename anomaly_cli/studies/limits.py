"""Limits on signal events after each cut, and on the strength of the signal where its efficiency is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from anomaly_cli.analysis.limits import Limits, asymptotic_limits, expected_toy_limits, toy_limit
from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.analysis.selection import BoolArray
from anomaly_cli.analysis.strength import measure_response, strength_limits
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.significance_kinds import MEASURED
from anomaly_cli.artifacts.store import Arrays, Artifact
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import FloatArray
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.seen import Need
from anomaly_cli.scores.base import SCORES
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.significance import read_significance

TOYS = 1024
"""Control counts and constraint terms drawn per tested signal; over the count the probability is summed."""
FEW_OBSERVED, FEW_EXPECTED, FEW_CONTROL = 5, 10.0, 30.0
"""Below any of these, asymptotic limits are off by up to 40 %, and toys are used, for expected ones too."""


def limits_stage(signal_efficiencies: Sequence[float] = ()) -> Stage[Analysis]:
    """Return the stage that sets limits for the tests of the significance artifact.

    Limits on the signal strength are set where the run has an injection study of the same settings, or, for a
    score that is not trained on the data, with given efficiencies.

    Args:
        signal_efficiencies: constant efficiency of each cut, in the order of the count.
    """
    given = tuple(signal_efficiencies)
    return Stage(
        name="limits",
        version=3,
        kind=schema.LIMITS,
        settings=partial(_settings, given=given),
        inputs=_inputs,
        make=partial(_make, given=given),
        refuse=partial(_refuse, given=given),
        looks=True,
    )


def _digest(analysis: Analysis) -> str:
    return str(read_significance(analysis.run).provenance.settings["settings_digest"])


def _refuse(analysis: Analysis, given: Sequence[float]) -> None:
    """Refuse a signal region that is blinded, and constant efficiencies of a score that learns from the data."""
    require_unblinded(analysis.run, _digest(analysis))
    if given:
        _check_efficiencies(given, analysis)


def _settings(analysis: Analysis, given: Sequence[float]) -> dict[str, Any]:
    return {"toys": TOYS, "settings_digest": _digest(analysis), "signal_efficiencies": list(given)}


def _inputs(analysis: Analysis) -> dict[str, str]:
    injection = _read_injection(analysis.run, _digest(analysis))
    return {"injection": injection.digest if injection else "none"}


def _make(analysis: Analysis, given: Sequence[float]) -> Made:
    tests = read_significance(analysis.run).groups["tests"]
    data = experiments_of(tests)
    asymptotic = asymptotic_limits(data)
    is_small = (data.n < FEW_OBSERVED) | (data.expected < FEW_EXPECTED) | (data.m < FEW_CONTROL)
    found = _by_toys(data, is_small, asymptotic, analysis.compute)
    groups: dict[str, Mapping[str, Any]] = {
        "tests": {
            "background_efficiency": tests["background_efficiency"],
            "observed": found.observed,
            "observed_asymptotic": asymptotic.observed,
            "by_toys": is_small,
            "expected": found.expected.T,
            "expected_asymptotic": asymptotic.expected.T,
            **{name: tests[name] for name in MEASURED},
        }
    }
    injection = _read_injection(analysis.run, _digest(analysis))
    if given:
        groups["strength"] = _fixed_strengths(tests, found, np.array(given))
    elif injection is not None:
        ratio = np.vstack([found.observed / asymptotic.observed, found.expected / asymptotic.expected])
        groups["strength"] = _studied_strengths(tests, data, ratio, injection)
    return Made(groups)


def _by_toys(data: Experiments, is_small: BoolArray, asymptotic: Limits, compute: Compute) -> Limits:
    """Return the limits with those of few events by toys."""
    found, streams = Limits(asymptotic.observed.copy(), asymptotic.expected.copy()), compute.streams.child("limits")
    for index in np.flatnonzero(is_small):
        compute.progress(Step("limits by toys", int(index), len(is_small)))
        one = _one(data, int(index))
        found.observed[index] = toy_limit(one, TOYS, streams.generator(f"toys/{index}"))
        found.expected[:, index] = expected_toy_limits(one, TOYS, streams.generator(f"expected/{index}"))
    return found


def _read_injection(run: RunDirectory, digest: str) -> Artifact | None:
    """Return the injection study of these settings, if there is one."""
    path = run.artifact(schema.INJECTION)
    if not path.exists():
        return None
    injection = run.read_file(path, schema.INJECTION)
    return injection if injection.provenance.settings["settings_digest"] == digest else None


def _check_efficiencies(efficiencies: Sequence[float], analysis: Analysis) -> None:
    score = analysis.run.read(schema.SCORES).provenance.settings["score"]["name"]
    if Need.TRUTH not in SCORES.find()[score].needs:
        raise ConfigError(
            f"--signal-efficiencies: the score {score} is trained on the data, so its efficiency depends on the signal"
            " in them and is no constant; run 'anomaly significance inject-scan' instead"
        )
    n_tests = len(read_significance(analysis.run).groups["tests"]["z"])
    if len(efficiencies) != n_tests or not all(0.0 < efficiency <= 1.0 for efficiency in efficiencies):
        raise ConfigError(f"--signal-efficiencies: name {n_tests} numbers in (0, 1], one for each cut of the count")


def _fixed_strengths(tests: Arrays, found: Limits, efficiencies: FloatArray) -> dict[str, Any]:
    return {
        "background_efficiency": tests["background_efficiency"],
        "observed": found.observed / efficiencies,
        "expected": (found.expected / efficiencies).T,
        "largest": np.full(len(efficiencies), np.inf),
    }


def _studied_strengths(tests: Arrays, data: Experiments, ratio: FloatArray, injection: Artifact) -> dict[str, Any]:
    """Return limits on the strength of the cuts that were studied; ratio `(6, t)`: toys over asymptotics."""
    studied = np.unique(injection.groups["tests"]["background_efficiency"])[::-1].tolist()
    experiments = injection.groups["experiments"]
    rows = []
    for index, efficiency in enumerate(tests["background_efficiency"].tolist()):
        if efficiency in studied:
            response = measure_response(
                experiments["n_injected"], experiments["n_signal"][:, studied.index(efficiency)]
            )
            limits = strength_limits(_one(data, index), response, ratio[:, index])
            rows.append(
                {
                    "background_efficiency": efficiency,
                    "observed": limits[0],
                    "expected": limits[1:],
                    "largest": response.strength[-1],
                }
            )
    return (
        as_columns(rows)
        if rows
        else {"background_efficiency": [], "observed": [], "expected": np.zeros((0, 5)), "largest": []}
    )


def experiments_of(tests: Arrays) -> Experiments:
    """Return the tests of a significance artifact as experiments `(t,)`."""
    n, m, tau, width = (
        np.asarray(tests[name], dtype=np.float64) for name in ("n_observed", "n_control", "transfer", "width")
    )
    return Experiments(n, m, tau, np.zeros(len(n)), width)


def _one(data: Experiments, index: int) -> Experiments:
    return Experiments(*(np.asarray(getattr(data, name)[index]) for name in Experiments.__dataclass_fields__))

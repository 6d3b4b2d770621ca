"""Limits on signal events after each cut, and on the strength of the signal where its efficiency is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from anomaly_cli.analysis.counting import Shift, skewed_parameters
from anomaly_cli.analysis.limits import Limits, asymptotic_limits, expected_toy_limits, toy_limit
from anomaly_cli.analysis.lookelsewhere import PASS_FAIL
from anomaly_cli.analysis.profile import Experiments
from anomaly_cli.analysis.selection import BoolArray
from anomaly_cli.analysis.strength import efficiency_factors, fixed_response, measure_response, strength_limits
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.measured_on import described_events, difference_of_events
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.artifacts.significance_kinds import MEASURED
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.progress import Step
from anomaly_cli.core.records import as_columns
from anomaly_cli.core.seen import Need
from anomaly_cli.core.systematics import BACKGROUND, SIGNAL
from anomaly_cli.methods.base import METHODS
from anomaly_cli.scores.base import SCORES
from anomaly_cli.stages.blinding import require_unblinded
from anomaly_cli.stages.frame import Analysis, Made, Stage
from anomaly_cli.stages.significance import read_significance

TOYS = 1024
"""Control counts and constraint terms drawn per tested signal; over the count the probability is summed."""
LARGEST_STRENGTH = 4.0
"""Strengths are tried up to so many limits without the systematics of the efficiency."""
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
    injection = find_injection(analysis.run, _digest(analysis))
    return {"injection": injection.digest if injection else NOT_THERE}


def _make(analysis: Analysis, given: Sequence[float]) -> Made:
    counted = read_significance(analysis.run).groups
    tests, data = counted["tests"], experiments_of(counted)
    factors = [efficiency_factors([s for s in own.values() if s.on == SIGNAL]) for own in _shifts(counted)]
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
    injection = find_injection(analysis.run, _digest(analysis))
    ratio = np.vstack([found.observed / asymptotic.observed, found.expected / asymptotic.expected])
    if given:
        groups["strength"] = _fixed_strengths(tests, data, found, ratio, np.array(given), factors)
    elif injection is not None:
        groups["strength"] = _studied_strengths(tests, data, ratio, injection, factors)
    return Made(groups)


def _by_toys(data: Experiments, is_small: BoolArray, asymptotic: Limits, compute: Compute) -> Limits:
    """Return the limits with those of few events by toys."""
    found, streams = Limits(asymptotic.observed.copy(), asymptotic.expected.copy()), compute.streams.child("limits")
    for index in np.flatnonzero(is_small):
        compute.progress(Step("limits by toys", int(index), len(is_small)))
        one = data.select(int(index))
        found.observed[index] = toy_limit(one, TOYS, streams.generator(f"toys/{index}"))
        found.expected[:, index] = expected_toy_limits(one, TOYS, streams.generator(f"expected/{index}"))
    return found


def find_injection(run: RunDirectory, digest: str) -> Artifact | None:
    """Return the injection study of these settings and data, if there is one."""
    path = run.artifact(schema.INJECTION)
    if not path.exists():
        return None
    injection = run.read_file(path, schema.INJECTION)
    made, events = injection.provenance.settings, described_events(run.read(schema.SPLIT))
    known = made.get("events")  # studies of earlier versions do not say
    is_own = made["settings_digest"] == digest and known and not difference_of_events(known, events)
    return injection if is_own else None


def _check_efficiencies(efficiencies: Sequence[float], analysis: Analysis) -> None:
    score = analysis.run.read(schema.SCORES).provenance.settings["score"]["name"]
    method = analysis.run.read(schema.TEMPLATE).provenance.settings["model"]["method"]["name"]
    needs = {
        f"the score {score}": SCORES.find()[score].needs,
        f"the template of {method}": METHODS.find()[method].needs,
    }
    learns = [name for name, of_it in needs.items() if of_it & {Need.SR_FEATURES, Need.SHARED_MODEL}]
    if learns and Need.TRUTH not in needs[f"the score {score}"]:
        raise ConfigError(
            f"--signal-efficiencies: {learns[0]} is trained on the data, so what passes depends on the signal"
            " in them and is no constant; run 'anomaly significance inject-scan' instead"
        )
    n_tests = len(read_significance(analysis.run).groups["tests"]["z"])
    if len(efficiencies) != n_tests or not all(0.0 < efficiency <= 1.0 for efficiency in efficiencies):
        raise ConfigError(f"--signal-efficiencies: name {n_tests} numbers in (0, 1], one for each cut of the count")


def _fixed_strengths(
    tests: Arrays,
    data: Experiments,
    found: Limits,
    ratio: FloatArray,
    efficiencies: FloatArray,
    factors: Sequence[FloatArray],
) -> dict[str, Any]:
    """Return limits with efficiencies that do not depend on the strength, averaged over their systematics."""
    limits = np.vstack([found.observed, found.expected]) / efficiencies
    for index in range(len(efficiencies)):
        if len(factors[index]) > 1:
            largest = LARGEST_STRENGTH * float(limits[:, index].max())
            response = fixed_response(float(efficiencies[index]), largest, factors[index])
            limits[:, index] = strength_limits(data.select(index), response, ratio[:, index])
    return {
        "background_efficiency": tests["background_efficiency"],
        "observed": limits[0],
        "expected": limits[1:].T,
        "largest": np.full(len(efficiencies), np.inf),
    }


def _studied_strengths(
    tests: Arrays, data: Experiments, ratio: FloatArray, injection: Artifact, factors: Sequence[FloatArray]
) -> dict[str, Any]:
    """Return limits on the strength of the cuts that were studied; ratio `(6, t)`: toys over asymptotics."""
    studied = np.unique(injection.groups["tests"]["background_efficiency"])[::-1].tolist()
    experiments = injection.groups["experiments"]
    rows = []
    for index, efficiency in enumerate(tests["background_efficiency"].tolist()):
        if efficiency in studied:
            response = measure_response(
                experiments["n_injected"], experiments["n_signal"][:, studied.index(efficiency)]
            )
            response = replace(response, factors=factors[index])
            limits = strength_limits(data.select(index), response, ratio[:, index])
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


def experiments_of(counted: Mapping[str, Arrays]) -> Experiments:
    """Return the tests of a significance artifact, given as its groups, as experiments `(t,)`."""
    tests = counted["tests"]
    n, m, tau, width = (
        np.asarray(tests[name], dtype=np.float64) for name in ("n_observed", "n_control", "transfer", "width")
    )
    fail = np.where(tests["test"] == PASS_FAIL, 1.0 / tau, 0.0)
    shifts = [{name: s for name, s in own.items() if s.on == BACKGROUND} for own in _shifts(counted)]
    return Experiments(n, m, tau, np.zeros(len(n)), width, skewed=skewed_parameters(shifts, fail.tolist()))


def _shifts(counted: Mapping[str, Arrays]) -> list[dict[str, Shift]]:
    """Return the systematics of each test by name."""
    found: list[dict[str, Shift]] = [{} for _ in counted["tests"]["z"]]
    if "systematics" not in counted:
        return found
    names = ("test", "name", "parameter", "on", "up", "down")
    for test, name, *values in zip(*(counted["systematics"][key].tolist() for key in names), strict=True):
        found[test][str(name)] = Shift(str(name), *values)
    return found

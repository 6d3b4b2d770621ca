"""HistFactory workspaces of counting tests, as pyhf reads them.

References:
    K. Cranmer et al., "HistFactory", 2012, CERN-OPEN-2012-016; the JSON schema of pyhf.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from anomaly_cli.analysis.counting import CountingModel, Shift
from anomaly_cli.core.systematics import BACKGROUND, SIGNAL

LEAST_BOUND = 30.0
"""pyhf's default bound of 5 standard deviations binds where a tight uncertainty absorbs an excess."""
LARGEST_PULL = 100.0
"""Bound of a user's systematic, which workspaces that share it have to agree on."""
SMALLEST_RATE = 1e-10
"""pyhf's default lower bound of a template rate."""


def build_workspace(model: CountingModel) -> dict[str, Any]:
    """Return the workspace of a counting test.

    One channel with the template's statistics as a Poisson constraint (shapesys); two channels with a
    free shared normalisation where the failing events are the control sample, or the template is empty.
    """
    if model.is_pass_fail:
        return _pass_fail(model)
    return _one_channel(model) if model.n_control > 0.0 else _on_off(model)


def _one_channel(model: CountingModel) -> dict[str, Any]:
    statistics = {
        "name": f"template_{model.name}",
        "type": "shapesys",
        "data": [model.n_expected / math.sqrt(model.n_control)],
    }
    nuisances = _nuisances(model, model.name, 1.0)
    background = {"name": "background", "data": [model.n_expected], "modifiers": [statistics, *nuisances]}
    channels = {model.name: ([_signal(model), background], float(model.n_observed))}
    # the null fit has gamma = (m + n - b) / m; pyhf's default bound of 10 would bind where n is large beside m
    largest = 10.0 + 2.0 * (model.n_observed + model.n_control) / model.n_control
    template = {"name": statistics["name"], "inits": [1.0], "bounds": [[SMALLEST_RATE, largest]]}
    return assemble(_measurement(model), channels, [_poi(model), template, *_alphas(model, nuisances)])


def _on_off(model: CountingModel) -> dict[str, Any]:
    rate = {"name": f"rate_{model.name}", "type": "normfactor", "data": None}
    nuisances = _nuisances(model, model.name, 1.0)
    inside = {"name": "background", "data": [1.0 / model.transfer], "modifiers": [rate, *nuisances]}
    control = {"name": "background", "data": [1.0], "modifiers": [rate]}
    channels = {
        model.name: ([_signal(model), inside], float(model.n_observed)),
        f"{model.name}_template": ([control], float(model.n_control)),
    }
    largest = 10.0 + 2.0 * (model.n_observed + model.n_control) * (1.0 + model.transfer)
    rate_range = {"name": rate["name"], "inits": [1.0], "bounds": [[0.0, largest]]}
    return assemble(_measurement(model), channels, [_poi(model), rate_range, *_alphas(model, nuisances)])


def _pass_fail(model: CountingModel) -> dict[str, Any]:
    efficiency = 1.0 / (1.0 + model.transfer)
    norm = {"name": f"norm_{model.name}", "type": "normfactor", "data": None}
    nuisances = _nuisances(model, model.name, 1.0)
    opposite = _nuisances(model, model.name, -efficiency / (1.0 - efficiency))
    passing = {"name": "background", "data": [model.n_expected], "modifiers": [norm, *nuisances]}
    failing = {"name": "background", "data": [float(model.n_control)], "modifiers": [norm, *opposite]}
    channels = {
        model.name: ([_signal(model), passing], float(model.n_observed)),
        f"{model.name}_fail": ([failing], float(model.n_control)),
    }
    largest = 10.0 + 2.0 * model.n_observed / max(model.n_control, 1.0)
    norm_range = {"name": norm["name"], "inits": [1.0], "bounds": [[0.0, largest]]}
    return assemble(_measurement(model), channels, [_poi(model), norm_range, *_alphas(model, nuisances)])


def _measurement(model: CountingModel) -> str:
    """Return the name of the measurement, the only place of a workspace for words."""
    return f"counting: {meaning_of_mu(model.nominal_signal)}; other cuts of these events share them"


def meaning_of_mu(n_signal: float) -> str:
    """Return what mu = 1 means, in words."""
    return f"mu = 1 is {n_signal:.6g} signal events after the cut"


def _nuisances(model: CountingModel, suffix: str, power: float) -> list[dict[str, Any]]:
    """Return a normsys for each uncertainty d with the factor (1 + d)^power at one standard deviation."""
    return [
        {
            "name": f"{name}_{suffix}",
            "type": "normsys",
            "data": {"hi": (1.0 + d) ** power, "lo": (1.0 + d) ** -power},
        }
        for name, d in model.relative.items()
        if 1.0 + d > 1.0
    ] + [_normsys(shift, power) for shift in model.on(BACKGROUND)]


def _normsys(shift: Shift, power: float) -> dict[str, Any]:
    factors = {"hi": (1.0 + shift.up) ** power, "lo": (1.0 + shift.down) ** power}
    return {"name": shift.parameter, "type": "normsys", "data": factors}


def _signal(model: CountingModel) -> dict[str, Any]:
    modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
    modifiers += [_normsys(shift, 1.0) for shift in model.on(SIGNAL)]
    return {"name": "signal", "data": [model.nominal_signal], "modifiers": modifiers}


def _poi(model: CountingModel) -> dict[str, Any]:
    largest = 10.0 + 2.0 * max(model.n_observed, model.n_expected) / model.nominal_signal
    return {"name": "mu", "inits": [1.0], "bounds": [[0.0, largest]]}


def _alphas(model: CountingModel, nuisances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the parameters of the nuisances, with bounds that no fit reaches.

    The null fit stops at a background b between the expected and the observed count, where this pull is no
    more than ln(n / B0) / d and d times the distance of either count from its expectation, with
    d = ln(1 + relative uncertainty).
    """
    n, b0 = model.n_observed, max(model.n_expected, 0.5)
    own = list(dict.fromkeys(shift.parameter for shift in model.systematics))
    parameters = [{"name": name, "inits": [0.0], "bounds": [[-LARGEST_PULL, LARGEST_PULL]]} for name in own]
    for item in (item for item in nuisances if item["name"] not in own):
        d = math.log(item["data"]["hi"])
        bound = max(LEAST_BOUND, 2.0 * min(model.leverage * d * abs(n - b0), abs(math.log(max(n, 0.5) / b0)) / d))
        parameters.append({"name": item["name"], "inits": [0.0], "bounds": [[-bound, bound]]})
    return parameters


def assemble(
    name: str, channels: dict[str, tuple[list[dict[str, Any]], Any]], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a workspace from channels, each with its samples and its observation, and the measurement's parameters."""
    return {
        "version": "1.0.0",
        "channels": [{"name": channel, "samples": samples} for channel, (samples, _) in channels.items()],
        "observations": [
            {"name": channel, "data": list(data) if isinstance(data, list | tuple) else [data]}
            for channel, (_, data) in channels.items()
        ],
        "measurements": [{"name": name, "config": {"poi": "mu", "parameters": parameters}}],
    }

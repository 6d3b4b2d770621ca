"""HS3: the counting likelihoods in the HEP Statistics Serialization Standard. Experimental.

References:
    C. Burgard et al., "HS3: HEP Statistics Serialization Standard", version 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERSION = "0.2"
SOFTWARE = "anomaly"


def to_hs3(workspace: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """Return a HistFactory workspace of this package as HS3, with a description.

    Readers differ in how they treat constraints of shapesys that are not whole numbers of events;
    the HistFactory JSON is the reference.
    """
    observations = {item["name"]: item["data"] for item in workspace["observations"]}
    channels = workspace["channels"]
    config = workspace["measurements"][0]["config"]
    distributions = [_channel(channel) for channel in channels]
    data = [_data(channel, observations[channel["name"]]) for channel in channels]
    likelihood = {
        "name": "likelihood",
        "distributions": [item["name"] for item in distributions],
        "data": [item["name"] for item in data],
    }
    points = [{"name": item["name"], "value": item["inits"][0]} for item in config["parameters"]]
    ranges = [
        {"name": item["name"], "min": item["bounds"][0][0], "max": item["bounds"][0][1]}
        for item in config["parameters"]
    ]
    return {
        "metadata": {
            "hs3_version": VERSION,
            "packages": [{"name": SOFTWARE, "version": "experimental"}],
            "description": description,
        },
        "distributions": distributions,
        "data": data,
        "likelihoods": [likelihood],
        "domains": [{"name": "domain", "type": "product_domain", "axes": ranges}],
        "parameter_points": [{"name": "start", "parameters": points}],
        "analyses": [
            {
                "name": "analysis",
                "likelihood": "likelihood",
                "domains": ["domain"],
                "init": "start",
                "parameters_of_interest": [config["poi"]],
            }
        ],
    }


def _axis(name: str, n_bins: int) -> dict[str, Any]:
    return {"name": f"bin_{name}", "min": 0.0, "max": float(n_bins), "nbins": n_bins}


def _data(channel: Mapping[str, Any], counts: list[float]) -> dict[str, Any]:
    name = channel["name"]
    return {"name": f"observed_{name}", "type": "binned", "axes": [_axis(name, len(counts))], "contents": counts}


def _channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    name, samples = channel["name"], channel["samples"]
    return {
        "name": name,
        "type": "histfactory_dist",
        "axes": [_axis(name, len(samples[0]["data"]))],
        "samples": [
            {
                "name": sample["name"],
                "data": {"contents": sample["data"], "errors": [0.0] * len(sample["data"])},
                "modifiers": [_modifier(item, sample["data"]) for item in sample["modifiers"]],
            }
            for sample in samples
        ],
    }


def _modifier(item: Mapping[str, Any], contents: list[float]) -> dict[str, Any]:
    name, kind = item["name"], item["type"]
    if kind == "normsys":
        data = {"hi": item["data"]["hi"], "lo": item["data"]["lo"]}
        return {"name": name, "type": kind, "parameter": name, "constraint": "Gauss", "data": data}
    if kind == "shapesys":
        relative = [error / content for error, content in zip(item["data"], contents, strict=True)]
        parameters = [f"{name}_{index}" for index in range(len(contents))]
        return {
            "name": name,
            "type": kind,
            "parameters": parameters,
            "constraint": "Poisson",
            "data": {"vals": relative},
        }
    return {"name": name, "type": kind, "parameter": name}

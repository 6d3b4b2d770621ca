"""Resonant anomaly detection: the command line `anomaly`, and the same analysis from Python.

    import anomaly_cli as an
    data = an.load("shipped", inject=420, seed=1)
    regions = an.split(data, "3.3-3.7")
    template = an.template(regions, an.methods.CurtainsF4F())
    scores = an.classify(regions, template, an.classifiers.Trees(ensemble=20))
    counts = an.count(regions, scores, efficiencies=(0.2, 0.01))

What is listed in `__all__` is public; see docs/api.md for how it may change.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.2.0.dev0"

_VERBS = ("classify", "closure", "count", "load", "open", "split", "template", "templates")
_PACKAGES = {
    **{name: f"anomaly_cli.{name}" for name in ("classifiers", "methods", "scores", "testing")},
    "plot": "anomaly_cli.api.plot",
}

__all__ = ("__version__", "classifiers", "classify", "closure", "count", "load", "methods", "open", "plot", "scores",
           "split", "template", "templates", "testing")  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a verb or a package when it is first asked for: importing `anomaly_cli` takes no time."""
    if name in _VERBS:
        return getattr(importlib.import_module("anomaly_cli.api.verbs"), name)
    if name in _PACKAGES:
        return importlib.import_module(_PACKAGES[name])
    raise AttributeError(f"module 'anomaly_cli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Finds the pictures: every module of this package that has a `PLOT`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.report import plots as package
from anomaly_cli.report.plots.picture import Plot


@cache
def find_plots() -> Mapping[str, Plot]:
    """Return every picture by name, in alphabetical order."""
    found = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if hasattr(module, "PLOT"):
            found[module.PLOT.name] = module.PLOT
    return dict(sorted(found.items()))


def find_plot(name: str) -> Plot:
    """Return a picture by name.

    Raises:
        ConfigError: where there is none of that name.
    """
    found = find_plots()
    if name not in found:
        raise ConfigError(f"no plot is called '{name}'; {nearest(name, found)}; 'anomaly plot' lists them")
    return found[name]

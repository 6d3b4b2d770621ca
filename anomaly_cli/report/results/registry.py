"""Finds what a command says of an artifact: every module of this package tells of the artifacts of one kind."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report import results
from anomaly_cli.report.table import Report

Teller: TypeAlias = Callable[[Artifact], Report]


@cache
def find_tellers() -> dict[str, Teller]:
    """Return what turns an artifact into a report, by kind: of each module its `KIND` and its `tables`."""
    found: dict[str, Teller] = {}
    for module_info in pkgutil.iter_modules(results.__path__):
        module = importlib.import_module(f"{results.__name__}.{module_info.name}")
        if hasattr(module, "KIND"):
            found[module.KIND.name] = module.tables
    return found


def report_on(artifact: Artifact) -> Report:
    """Return the tables of an artifact, made from it alone; nothing of a kind that has none."""
    teller = find_tellers().get(artifact.kind.name)
    return teller(artifact) if teller else ()

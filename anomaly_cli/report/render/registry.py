"""Finds the renderers: every module of this package that has a function `render`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from anomaly_cli.report import render as package
from anomaly_cli.report.table import Report

DEFAULT_WIDTH = 80


@dataclass(frozen=True)
class About:
    """What a renderer may need beside the report.

    Attributes:
        command: the command that the report answers, as it is written after `anomaly`.
        digests: digest of every artifact that the report was made from, by kind.
        width: columns of the terminal.
    """

    command: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    width: int = DEFAULT_WIDTH


class Renderer(Protocol):
    """Writes a report in one format; the whole report, in one string that ends with a line end or is empty."""

    def __call__(self, report: Report, about: About) -> str:
        """Return the report as text."""


def find_renderers() -> dict[str, Renderer]:
    """Return every renderer by name, in alphabetical order."""
    found = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if hasattr(module, "render"):
            found[module_info.name] = cast(Renderer, module.render)
    return dict(sorted(found.items()))

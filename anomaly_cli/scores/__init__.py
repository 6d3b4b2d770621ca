"""Scores: what ranks events. Every file that defines one; `scores.CWoLa` is the class of `cwola`."""

from __future__ import annotations

from typing import Any

from anomaly_cli.core.plugins import lazy_member, lazy_names


def __getattr__(name: str) -> Any:
    """Return the class of a score by its Python name, found when it is first asked for."""
    return lazy_member(__name__, "SCORES", name)


def __dir__() -> list[str]:
    """Return what can be asked for, so that it can be completed."""
    return lazy_names(__name__, "SCORES")

"""Template methods: every file that defines one; `methods.CurtainsF4F` is the class of `curtains_f4f`."""

from __future__ import annotations

from typing import Any

from anomaly_cli.core.plugins import lazy_member, lazy_names


def __getattr__(name: str) -> Any:
    """Return the class of a method by its Python name, found when it is first asked for."""
    return lazy_member(__name__, "METHODS", name)


def __dir__() -> list[str]:
    """Return what can be asked for, so that it can be completed."""
    return lazy_names(__name__, "METHODS")

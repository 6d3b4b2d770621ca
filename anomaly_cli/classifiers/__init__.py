"""Families of classifiers: every file that defines one; `classifiers.Trees` is the class of `trees`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the class of a family by its Python name, found when it is first asked for."""
    if not name[0].isupper():  # a module of this package, or nothing
        raise AttributeError(name)
    from anomaly_cli.classifiers.base import CLASSIFIERS
    from anomaly_cli.core.plugins import lazy_member

    return lazy_member(CLASSIFIERS, name)


def __dir__() -> list[str]:
    """Return what can be asked for, so that it can be completed."""
    from anomaly_cli.classifiers.base import CLASSIFIERS

    return sorted([*globals(), *(cls.__name__ for cls in CLASSIFIERS.find().values())])

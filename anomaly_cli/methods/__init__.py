"""Template methods: every file that defines one; `methods.CurtainsF4F` is the class of `curtains_f4f`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the class of a method by its Python name, found when it is first asked for."""
    if not name[0].isupper():  # a module of this package, or nothing
        raise AttributeError(name)
    from anomaly_cli.core.plugins import lazy_member
    from anomaly_cli.methods.base import METHODS

    return lazy_member(METHODS, name)


def __dir__() -> list[str]:
    """Return what can be asked for, so that it can be completed."""
    from anomaly_cli.methods.base import METHODS

    return sorted([*globals(), *(cls.__name__ for cls in METHODS.find().values())])

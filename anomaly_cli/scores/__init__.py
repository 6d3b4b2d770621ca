"""Scores: what ranks events. Every file that defines one; `scores.CWoLa` is the class of `cwola`."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the class of a score by its Python name, found when it is first asked for."""
    if not name[0].isupper():  # a module of this package, or nothing
        raise AttributeError(name)
    from anomaly_cli.core.plugins import lazy_member
    from anomaly_cli.scores.base import SCORES

    return lazy_member(SCORES, name)


def __dir__() -> list[str]:
    """Return what can be asked for, so that it can be completed."""
    from anomaly_cli.scores.base import SCORES

    return sorted([*globals(), *(cls.__name__ for cls in SCORES.find().values())])

"""Sentences name options of the command line; the Python API names the argument that does the same."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.config import DataSettings
from anomaly_cli.core.compute import DEVICES
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.core.plugins import Family
from anomaly_cli.methods.base import METHODS
from anomaly_cli.scores.base import SCORES

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)(?: ([0-9][0-9.,]*[0-9]|[0-9]|[A-Z]{2,}|[a-z0-9_]+)\b)?")
_FAMILIES: Mapping[str, tuple[str, Family[Any]]] = {
    "method": ("methods", METHODS),
    "classifier": ("classifiers", CLASSIFIERS),
    "score": ("scores", SCORES),
}
_RENAMED = {"data": "file", "background-efficiencies": "efficiencies"}
"""Options whose argument is called otherwise."""
_verbs: dict[str, str] = {}
"""The verb that takes each argument."""


def spelt(verb: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Return a verb whose failures name arguments: its own, else those of the first verb made so that takes one."""
    taken = [name for name in inspect.signature(verb).parameters if name != "more"]
    if verb.__name__ == "load":
        taken += [field.name for field in dataclasses.fields(DataSettings)]
    for name in taken:
        _verbs.setdefault(name, verb.__name__)

    @functools.wraps(verb)
    def called(*args: Given.args, **kwargs: Given.kwargs) -> Returned:
        try:
            return verb(*args, **kwargs)
        except AnomalyError as error:
            verbs = _verbs | dict.fromkeys(taken, verb.__name__)
            error.args = (_OPTION.sub(lambda found: _argument(found, verbs), str(error)),)
            raise

    return called


def _argument(found: re.Match[str], verbs: Mapping[str, str]) -> str:
    """Return how an argument is given; an option that no verb takes stays, as it is the command line's alone."""
    option, value = found.group(1), found.group(2) or ""
    name = _RENAMED.get(option, option.replace("-", "_"))
    if name not in verbs:
        return found.group()
    if name in _FAMILIES:
        package, family = _FAMILIES[name]
        member = family.find().get(value)
        shown, rest = (f"{package}.{member.__name__}()", "") if member else ("...", value)
    elif value in DEVICES:
        shown, rest = f"'{value}'", ""
    elif value[:1].isdigit():
        shown, rest = f"({value})" if "," in value else value, ""
    else:
        is_flag = isinstance(DataSettings.__dict__.get(name), bool)
        shown, rest = "True" if is_flag else "...", "" if value.isupper() else value
    return f"{verbs[name]}({name}={shown}){f' {rest}' if rest else ''}"

"""Finds the template methods: every module of this package that defines one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from anomaly_cli import methods
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record, nearest
from anomaly_cli.methods.base import TemplateMethod


def find_methods() -> dict[str, type[TemplateMethod]]:
    """Return every template method by name, in alphabetical order."""
    found = {}
    for module_info in pkgutil.iter_modules(methods.__path__):
        module = importlib.import_module(f"{methods.__name__}.{module_info.name}")
        for value in vars(module).values():
            is_method = isinstance(value, type) and issubclass(value, TemplateMethod) and not inspect.isabstract(value)
            if is_method and value.__module__ == module.__name__:
                found[value.name] = value
    return dict(sorted(found.items()))


def make_method(name: str, settings: Mapping[str, Any]) -> TemplateMethod:
    """Return the method `name` with `settings`.

    Raises:
        ConfigError: for an unknown method or setting.
    """
    found = find_methods()
    if name not in found:
        raise ConfigError(f"template: unknown method '{name}'; {nearest(name, found)}; 'anomaly methods' lists them")
    return build_record(found[name], settings, f"method {name}")

"""Finds plug-ins: one class per file of a package of ours, or an entry point of any installed package."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from anomaly_cli.core.errors import AnomalyWarning, ConfigError, first_line
from anomaly_cli.core.presets import resolve_preset
from anomaly_cli.core.records import build_record, nearest, nearest_sentence

Plugin = TypeVar("Plugin")
OWN = "anomaly_cli"


@dataclass(frozen=True)
class Found(Generic[Plugin]):
    """What was found of one family.

    Attributes:
        classes: every usable plug-in by its name, in alphabetical order.
        broken: why others cannot be used, by the name of their entry point.
        packages: name and version of the packages of those that are not ours, by class.
    """

    classes: Mapping[str, type[Plugin]]
    broken: Mapping[str, str]
    packages: Mapping[type[Any], str]


@dataclass(frozen=True)
class Family(Generic[Plugin]):
    """One family of plug-ins: template methods, classifiers, or scores.

    Attributes:
        base: abstract class of its members, frozen dataclasses of settings with class variables `name`, `summary` and
            `reference`.
        word: what a member is called in sentences.
        package: our package with one member per file.
        group: entry-point group in which other packages name theirs.
        command: the command that lists them.
    """

    base: type[Plugin]
    word: str
    package: str
    group: str
    command: str
    _cache: dict[str, Found[Plugin]] = field(default_factory=dict, repr=False, compare=False)

    def find(self) -> Mapping[str, type[Plugin]]:
        """Return every usable member by name; a broken one of another package is warned of once and left out."""
        return self._found.classes

    @property
    def _found(self) -> Found[Plugin]:
        if "found" not in self._cache:
            self._cache["found"] = self._look()
            for name, reason in self._cache["found"].broken.items():
                warnings.warn(
                    f"{self.word} '{name}' of another package is left out: {reason}", AnomalyWarning, stacklevel=3
                )
        return self._cache["found"]

    def make(self, name: str, settings: Mapping[str, Any]) -> Plugin:
        """Return the member `name` with `settings`, over those of the preset that they may name.

        Raises:
            ConfigError: for an unknown name, preset or setting, or a member that cannot be used.
        """
        found = self._found
        if name in found.broken and name not in found.classes:
            raise ConfigError(f"{self.word} '{name}' cannot be used: {found.broken[name]}")
        if name not in found.classes:
            hint = nearest_sentence(name, found.classes)
            raise ConfigError(f"unknown {self.word} '{name}'; {hint} '{self.command}' lists them")
        cls, where = found.classes[name], f"{self.word} {name}"
        return build_record(cls, resolve_preset(cls, settings, where), where)

    def package_of(self, member: object) -> str:
        """Return name and version of the package that a member comes from; empty for ours, and where none names it."""
        return self._found.packages.get(type(member), "") if is_foreign(member) else ""

    def _look(self) -> Found[Plugin]:
        classes = {cls.__dict__["name"]: cls for cls in self._own()}
        broken: dict[str, str] = {}
        packages: dict[type[Any], str] = {}
        for entry in importlib.metadata.entry_points(group=self.group):
            candidate = _Candidate(entry, self.base, self.word)
            reason = candidate.reason or (
                f"its name is already that of {classes[entry.name].__module__}" if entry.name in classes else ""
            )
            if reason:
                broken[entry.name] = reason
            else:
                classes[entry.name] = candidate.loaded
                if entry.dist:
                    packages[candidate.loaded] = f"{entry.dist.name} {entry.dist.version}"
        return Found(dict(sorted(classes.items())), broken, packages)

    def _own(self) -> Iterator[Any]:
        package = importlib.import_module(self.package)
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{self.package}.{info.name}")
            for value in vars(module).values():
                if _is_member(value, self.base) and value.__module__ == module.__name__:
                    yield value


@dataclass(frozen=True)
class _Candidate:
    """An entry point of another package that may name a member."""

    entry: importlib.metadata.EntryPoint
    base: type[Any]
    word: str

    @cached_property
    def loaded(self) -> Any:
        return self.entry.load()

    @property
    def reason(self) -> str:
        """Why it cannot be used; empty where it can."""
        package = f"{self.entry.dist.name} " if self.entry.dist else ""
        try:
            cls = self.loaded
        except (Exception, SystemExit) as error:  # whatever another package's code raises when it is imported
            return f"{package}({self.entry.value}) fails to import: {type(error).__name__}: {first_line(error)}"
        if not _is_member(cls, self.base):
            return (
                f"{package}({self.entry.value}) is no complete {self.word}: it must be a subclass of {_path(self.base)}"
            )
        missing = [name for name in ("name", "summary", "reference") if not isinstance(getattr(cls, name, None), str)]
        if missing:
            return f"{package}({self.entry.value}) has no text '{missing[0]}'"
        if cls.name != self.entry.name:
            return (
                f"{package}({self.entry.value}) is called '{cls.name}' where its entry point says '{self.entry.name}'"
            )
        try:
            cls()
        except Exception as error:  # a setting without default, or defaults that it refuses itself
            return f"{package}({self.entry.value}) cannot be made with its defaults: {first_line(error)}"
        return ""


def is_foreign(member: object) -> bool:
    """Return whether a member belongs to another package."""
    return not type(member).__module__.startswith(f"{OWN}.")


def _path(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def _is_member(value: object, base: type[Any]) -> bool:
    return isinstance(value, type) and issubclass(value, base) and not inspect.isabstract(value)


def lazy_member(package: str, family: str, attribute: str) -> Any:
    """Return the class of a member by its Python name, for `package.ClassName`; ours come first.

    Args:
        package: our package of the members.
        family: name of their family in its module `base`, which is not imported before it is needed.
        attribute: the Python name.

    Raises:
        AttributeError: where there is none.
    """
    if not attribute[0].isupper():  # a module of the package, or nothing
        raise AttributeError(attribute)
    classes = _classes(package, family)
    for cls in sorted(classes, key=lambda cls: not cls.__module__.startswith(f"{OWN}.")):
        if cls.__name__ == attribute:
            return cls
    hint = nearest(attribute, (cls.__name__ for cls in classes))
    raise AttributeError(f"module '{package}' has no attribute '{attribute}'; {hint}")


def lazy_names(package: str, family: str) -> list[str]:
    """Return the Python names of the members, and whatever else a package of ours holds."""
    return sorted([*vars(sys.modules[package]), *(cls.__name__ for cls in _classes(package, family))])


def _classes(package: str, family: str) -> list[type[Any]]:
    found: Family[Any] = getattr(importlib.import_module(f"{package}.base"), family)
    return list(found.find().values())

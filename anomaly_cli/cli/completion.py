"""What a shell may complete: words are found without importing what they stand for, which would take seconds."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def devices(incomplete: str) -> list[str]:
    """Complete the name of a device."""
    from anomaly_cli.core.compute import DEVICES

    return _beginning(DEVICES, incomplete)


def plugins(family: str) -> Callable[[str], list[str]]:
    """Return the completion of the name of a plug-in: one of the `methods`, `classifiers` or `scores`."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(plugin_names(family), incomplete)

    return complete


def plot_names(incomplete: str) -> list[str]:
    """Complete the name of a plot."""
    return _beginning(sorted([*_first_words("anomaly_cli.report.plots", "PLOT"), "all", "list"]), incomplete)


def _first_words(package: str, name: str) -> Iterator[str]:
    """Return the first argument, a text, of what the modules of a package assign to a name."""
    for file in _files(package):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=target)], value=ast.Call(args=[ast.Constant(value=str(text)), *_])
                ):
                    if target == name:
                        yield text


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def plugin_names(family: str) -> list[str]:
    """Return the names of the plug-ins of a family (`methods`, `classifiers`, `scores`), without importing them."""
    from importlib.metadata import entry_points

    own = _declared_names(f"anomaly_cli.{family}")
    return sorted({*own, *(entry.name for entry in entry_points(group=f"anomaly.{family}"))})


def _declared_names(package: str) -> Iterator[str]:
    """Return the texts that the classes of a package have as their `name`."""
    for file in _files(package):
        classes = [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
        for item in (item for node in classes for item in node.body):
            match item:
                case ast.AnnAssign(target=ast.Name(id="name"), value=ast.Constant(value=str(text))):
                    yield text


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted(Path(folder).glob("*.py"))

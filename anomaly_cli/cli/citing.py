"""Prints what to cite as BibTeX; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from anomaly_cli.artifacts.build import this_build
from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.cli.picture_execution import read_sources
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.plugins import Family
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import manifest_names
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report import citations
from anomaly_cli.report.page.run_document import works
from anomaly_cli.report.page.scan_document import scan_works
from anomaly_cli.scores.base import SCORES

FAMILIES: Sequence[Family] = (METHODS, SCORES, CLASSIFIERS)  # type: ignore[type-arg]
TABLES = (citations.METHODS, citations.SCORES, citations.CLASSIFIERS)


def print_citations(names: Sequence[str], directory: Path | None) -> None:
    """Print the entries of this program, of what is named, and of what a run or a scan used.

    Raises:
        ConfigError: for a name that nothing has.
        ArtifactError: where the directory holds nothing that can be read.
    """
    keys = [key for name in names for key in works_named(name)]
    if directory is not None:
        sources, datasets = read_sources(directory, None)
        keys += (scan_works if SCAN.name in sources.artifacts else works)(sources, datasets)
    typer.echo(citations.bibtex(keys, str(this_build())), nl=False)


def works_named(name: str) -> tuple[str, ...]:
    """Return the works that a method, a score, a classifier or a data set rests on.

    Raises:
        ConfigError: where nothing is called so.
    """
    known = {member for family in FAMILIES for member in family.find()} | set(manifest_names())
    if name not in known:
        raise ConfigError(f"cite: no method, score, classifier or data set is called '{name}'; {nearest(name, known)}")
    found = [*citations.DATASETS.get(name, ())]
    for family, table in zip(FAMILIES, TABLES, strict=True):
        if name in family.find():
            found += table.get(name, citations.of_reference(family.find()[name].reference))
    return tuple(found)

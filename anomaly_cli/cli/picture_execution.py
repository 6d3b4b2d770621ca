"""Draws plots, writes reports and compares runs; imported only when a command runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_cli.artifacts.build import this_build
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.artifacts.store import write_files
from anomaly_cli.cli.output import say, show
from anomaly_cli.core.errors import ArtifactError, ConfigError
from anomaly_cli.core.records import nearest
from anomaly_cli.datasets.manifests import SHIPPED_MANIFEST, names_of_digests
from anomaly_cli.report.plots.overview import catalogue, overview
from anomaly_cli.report.plots.picture import FORMATS, save
from anomaly_cli.report.plots.registry import find_plot, find_plots
from anomaly_cli.report.plots.sources import Sources, of_artifact, of_directory
from anomaly_cli.report.plots.style import SIZES
from anomaly_cli.stages.blinding import hides_region

if TYPE_CHECKING:
    from anomaly_cli.artifacts.store import Artifact
    from anomaly_cli.report.page.document import Document

EVERY = "all"
REPORT = "report.html"
OLYMPICS = "LHCO"
"""Tag of the data sets that manifests describe, the shipped one apart."""
FOLDER = "plots"
"""Where plots lie in the directory that they are of."""


def read_sources(directory: Path, tag: str | None) -> tuple[Sources, list[str]]:
    """Return what a directory holds, and the names of the data sets that its events are from where they are known."""
    sources = of_directory(directory, hides_region, tag)
    digests = [digest for artifact in sources.artifacts.values() for digest in artifact.provenance.inputs.values()]
    datasets = names_of_digests(digests)
    if tag is None and any(name != SHIPPED_MANIFEST for name in datasets):
        sources = replace(sources, tag=OLYMPICS)
    return sources, datasets


def list_plots(directory: Path | None) -> None:
    """List the plots; of a directory, which can be drawn and what the others lack."""
    plots = find_plots()
    if directory is None:
        show(catalogue(plots))
        return
    sources = of_directory(directory, hides_region)
    digests = {kind: artifact.digest for kind, artifact in sources.artifacts.items()}
    show(overview(plots, sources, str(directory)), digests)


def draw_plots(name: str, directory: Path | None, figure: Path | None, size: str, tag: str | None) -> None:
    """Draw one plot, or all that can be drawn, and say where.

    Raises:
        ConfigError: where there is no such plot, size or format, or it lacks something.
        ArtifactError: where artifacts cannot be read, or a file cannot be written.
    """
    plots = dict(find_plots()) if name == EVERY else {name: find_plot(name)}
    if directory is None:
        raise ConfigError(f"plot {name}: name the directory of what is to be drawn, as --run my-run")
    if size not in SIZES:
        raise ConfigError(f"no size is called '{size}'; {nearest(size, SIZES)}")
    if figure is not None and figure.suffix.lower().removeprefix(".") not in FORMATS:
        raise ConfigError(f"{figure}: cannot be drawn in this format; let its name end in .{', .'.join(FORMATS)}")
    sources, _ = read_sources(directory, tag)
    if name == EVERY:
        if figure is not None:
            raise ConfigError("plot all: leave out --figure; every plot gets a file of its own")
        plots = {key: plot for key, plot in plots.items() if not plot.lacks(sources)}
        if not plots:
            raise ArtifactError(f"{directory}: holds nothing that can be drawn; 'anomaly plot --run' says why")
    for key, plot in plots.items():
        path = figure or directory / FOLDER / f"{key}.pdf"
        save(plot.figure(sources, SIZES[size]), path, SIZES[size])
        say(f"{path}: written")


def draw_scan(scan: Artifact, path: Path) -> None:
    """Draw the local p-values of a scan into a file.

    Raises:
        ArtifactError: where it cannot be written.
    """
    size = SIZES["slides"]
    save(find_plot("scan").figure(of_artifact(scan), size), path, size)


def write_report(directory: Path, output: Path | None, tag: str | None) -> None:
    """Write a report of a run or a scan and say where it is.

    Raises:
        ConfigError: where its name ends in no format of reports.
        ArtifactError: where there is nothing to report on, or the file cannot be written.
    """
    from anomaly_cli.report.page.pdf_pages import pages
    from anomaly_cli.report.page.whole_page import page

    path = output or directory / REPORT
    kind = path.suffix.lower()
    if kind not in (".html", ".pdf"):
        raise ConfigError(f"{path}: a report is written as .html or .pdf; let --output end so")
    document = _document(directory, tag)
    content = pages(document) if kind == ".pdf" else page(document).encode()
    write_files({path: content})
    say(f"{path}: written")


def _document(directory: Path, tag: str | None) -> Document:
    from anomaly_cli.report.page.run_document import run_document
    from anomaly_cli.report.page.scan_document import scan_document

    sources, datasets = read_sources(directory, tag)
    if SCAN.name in sources.artifacts:
        return scan_document(directory.resolve().name, sources, datasets, str(this_build()))
    return run_document(RunDirectory(directory), sources, datasets, str(this_build()))


def compare_runs(directories: Sequence[Path]) -> None:
    """Print in what runs differ.

    Raises:
        ConfigError: where fewer than two are named.
        ArtifactError: where one is no run.
    """
    from anomaly_cli.report.comparison import compare

    if len(directories) < 2:
        raise ConfigError("compare: name two runs or more, as 'anomaly compare first second'")
    runs = [(RunDirectory(path), of_directory(path, hides_region)) for path in directories]
    for path, (_, sources) in zip(directories, runs, strict=True):
        if SCAN.name in sources.artifacts:
            raise ConfigError(f"{path}: is a scan; compare runs, its regions are in its own table")
    show(compare(runs))

"""The report of a collected scan."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly_cli.artifacts.scan_kinds import SCAN
from anomaly_cli.report import citations
from anomaly_cli.report.page.chain_tables import chain_table, version_table
from anomaly_cli.report.page.document import Document, Listing, Section, split_warnings
from anomaly_cli.report.plots.registry import find_plots
from anomaly_cli.report.plots.scan_searches import search_names
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.results.scan import WITHOUT, is_measured_in
from anomaly_cli.report.tables import plural

PICTURES = ("scan", "heat_map", "scan_limits")


def scan_document(name: str, sources: Sources, datasets: Sequence[str] = (), version: str = "") -> Document:
    """Return the report of a scan.

    Args:
        name: of its directory.
        sources: the collected scan.
        datasets: names of the data sets that its events are from, where they are known ones.
        version: of this program.
    """
    scan, plots = sources.artifacts[SCAN.name], find_plots()
    parts, warnings = split_warnings(list(report_on(scan)))
    points = scan.groups["points"]
    states = points["state"].tolist()
    numbers = {state: states.count(state) for state in ("failed", "missing", "blinded") if state in states}
    warnings = [f"{plural(number, 'point')} {state}." for state, number in numbers.items()] + warnings
    if len(scan.groups["tests"]["z"]) and not is_measured_in(scan):
        warnings.append(f"Significances are {WITHOUT}.")
    drawn = [plots[picture] for picture in PICTURES if not plots[picture].lacks(sources)]
    artifacts = sources.artifacts
    sections = [
        Section("Result", parts, drawn),
        Section("Provenance", [chain_table(artifacts), version_table(artifacts)]),
        Section("How to cite", (), (), [Listing("BibTeX", citations.bibtex(scan_works(sources, datasets), version))]),
    ]
    left_out = [(picture, reason) for picture in PICTURES if (reason := plots[picture].lacks(sources))]
    return Document(f"{name}: scan", warnings, _story(sources), sections, sources, f"anomaly {version}", left_out)


def scan_works(sources: Sources, datasets: Sequence[str]) -> list[str]:
    """Return the works that a scan rests on, as keys of citations."""
    methods = dict.fromkeys(map(str, sources.group(SCAN, "points")["method"]))
    keys = [key for name in datasets for key in citations.DATASETS.get(name, ())]
    keys += [key for method in methods for key in citations.METHODS.get(method, ())]
    return [*keys, *citations.STUDIES["significance"], *citations.STUDIES["global"]]


def _story(sources: Sources) -> str:
    points = sources.group(SCAN, "points")
    regions = {(float(low), float(high)) for low, high in zip(points["low"], points["high"], strict=True)}
    low, high = min(low for low, _ in regions), max(high for _, high in regions)
    done = int((points["state"] == "done").sum())
    return (
        f"{plural(len(regions), 'signal region')} between {low / 1e3:g} and {high / 1e3:g} TeV were searched by"
        f" {_searches(sources)} (template method, variant and injection) with"
        f" {plural(len(set(points['seed'].tolist())), 'seed')}: {plural(len(points['seed']), 'point')}, of which {done}"
        " are counted. Every point is the whole analysis of one signal region. Global significances are those of the"
        " largest excess over all tests on the same events, from the overlap of the events that they select."
    )


def _searches(sources: Sources) -> str:
    number = len(set(search_names(sources).tolist()))
    return f"{number} search{'' if number == 1 else 'es'}"

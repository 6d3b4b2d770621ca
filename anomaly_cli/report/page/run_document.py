"""The report of a run, whatever state it is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.morph_schema import MORPH
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import AnomalyError
from anomaly_cli.report import citations
from anomaly_cli.report.page.caveats import caveats
from anomaly_cli.report.page.chain_tables import (
    chain_table,
    permission_table,
    selected_table,
    time_table,
    version_table,
)
from anomaly_cli.report.page.document import Document, Listing, Section, split_warnings
from anomaly_cli.report.page.story import tell
from anomaly_cli.report.plots.overview import concerning
from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.registry import find_plots
from anomaly_cli.report.plots.sources import Sources, method_of
from anomaly_cli.report.results.closure import distance_tables
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.summary import cutflow_table, region_table
from anomaly_cli.report.table import Message, Part

LOG_NAME = "anomaly.log"
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ [A-Z]+ .")
"""How a line of the log begins; those of a traceback do not."""
RESULTS = (schema.SENSITIVITY, schema.SIGNIFICANCE, schema.LIMITS, schema.GLOBAL, schema.BUMP, schema.EVALUATION)
CALIBRATION = (schema.VALIDATION, schema.OVERDISPERSION, schema.PERMUTATION, schema.CALIBRATION, schema.INJECTION)


def run_document(run: RunDirectory, sources: Sources, datasets: Sequence[str] = (), version: str = "") -> Document:
    """Return the report of a run.

    Args:
        run: its directory.
        sources: what it holds, without what is hidden.
        datasets: names of the data sets that its events are from, where they are known ones.
        version: of this program.
    """
    is_morph = MORPH.name in sources.artifacts and schema.SPLIT.name not in {*sources.artifacts, *sources.reasons}
    warnings = [*_last_failure(run), *([] if is_morph else caveats(sources))]
    plots = find_plots()

    def section(title: str, parts: Iterable[Part], *names: str, listings: Sequence[Listing] = ()) -> Section:
        kept, found = split_warnings(list(parts))
        warnings.extend(text for text in found if text not in warnings)
        return Section(title, kept, [plots[name] for name in names if not plots[name].lacks(sources)], listings)

    sections = [
        section("Morph", _of_kinds(sources, (MORPH,)), "morph"),
        section("Events", _events(run, sources), "mjj"),
        section("Result", _of_kinds(sources, RESULTS), "expected", "counts", "limits", "bump"),
        section("Template", _template(sources), "closure", "features", "training"),
        section("Ranking", _of_kinds(sources, (schema.EXPLANATION,)), "scores", "sculpting", "sic"),
        section("Calibration", _calibration(sources), "windows", "calibration", "injection"),
        section("Selected events", selected_table(sources)),
        section("Provenance", _provenance(run, sources), listings=_configuration(run)),
        section("How to cite", [], listings=[Listing("BibTeX", citations.bibtex(works(sources, datasets), version))]),
    ]
    title = f"{run.path.resolve().name}: {sources.about}" if sources.about else run.path.resolve().name
    kept = [one for one in sections if not one.is_empty]
    story = _story_of_morph(sources) if is_morph else tell(sources)
    left_out = _left_out(plots, sources)
    return Document(title, warnings, story, kept, sources, f"anomaly {version}", left_out)


def _last_failure(run: RunDirectory) -> list[str]:
    """Return how the last command in the directory failed, as its log says; nothing where it did not."""
    try:
        lines = (run.path / LOG_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    ended = [line.split(" ", 2) for line in lines if LOG_LINE.match(line)]
    if not ended or ended[-1][1] != "ERROR":
        return []
    return [f"The last command here failed ({ended[-1][0]}): {ended[-1][2]}."]


def _story_of_morph(sources: Sources) -> str:
    morph = sources.artifacts[MORPH.name]
    moved, target = len(morph.groups["moved"]["source_row"]), len(morph.groups["target"]["row"])
    features = ", ".join(morph.features)
    return (
        f"{moved:,} events were moved towards {target:,} target events in {features}; quality is that on test events."
    )


def works(sources: Sources, datasets: Sequence[str]) -> list[str]:
    """Return the works that a run rests on, as keys of citations."""
    found: list[str] = []
    for name in datasets:
        found += citations.DATASETS.get(name, ())
    for artifact in sources.artifacts.values():
        found += [key for name in _methods(artifact) for key in citations.METHODS.get(name, ())]
        settings = artifact.provenance.settings
        for word, table in (("score", citations.SCORES), ("classifier", citations.CLASSIFIERS)):
            chosen = settings.get(word)
            found += table.get(str(chosen["name"]), ()) if isinstance(chosen, dict) and "name" in chosen else ()
        found += citations.STUDIES.get(artifact.kind.name, ())
    return list(dict.fromkeys(found))


def _methods(artifact: Artifact) -> list[str]:
    """Return the template method of an artifact and, where it combines others, those."""
    if artifact.kind not in (schema.TEMPLATE, schema.TEMPLATE_MODEL):
        return []
    settings: dict[str, Any] = dict(artifact.provenance.settings)
    method = settings.get("model", settings).get("method", {})
    others = method.get("settings", {}).get("methods", ()) if isinstance(method, dict) else ()
    return [method_of(settings), *map(str, others)]


def _events(run: RunDirectory, sources: Sources) -> list[Part]:
    split = sources.artifacts.get(schema.SPLIT.name)
    if split is None:
        return []
    is_hidden = "sr" not in split.groups
    whole = run.read(schema.SPLIT)  # whose cutflow hides the count of the region by itself
    return [
        *_if_possible(lambda: [region_table(run, is_hidden)]),
        cutflow_table(whole, is_hidden),
    ]


def _template(sources: Sources) -> list[Part]:
    closure = sources.artifacts.get(schema.CLOSURE.name)
    if closure is None:
        return []
    if "counts" not in closure.groups:  # hidden: what stands behind the template would be told with the distances
        return list(report_on(closure)) if len(closure.groups["checks"]["auc"]) else []
    return [*report_on(closure), *distance_tables(closure, False)]


def _of_kinds(sources: Sources, kinds: Sequence[schema.Kind]) -> list[Part]:
    """Return the tables of artifacts; none of one that tells of a signal region which is blinded."""
    held = [sources.artifacts[kind.name] for kind in kinds if kind.name in sources.artifacts]
    found = [
        one for one in held if all(name in one.groups or group.optional for name, group in one.kind.groups.items())
    ]
    return [part for artifact in found for part in _if_possible(lambda a=artifact: report_on(a))]  # type: ignore[misc]


def _calibration(sources: Sources) -> list[Part]:
    parts = _of_kinds(sources, CALIBRATION)
    if parts or schema.SIGNIFICANCE.name not in sources.artifacts:
        return parts
    return [Message("Not measured: validation windows, over-dispersion, label permutations, calibration.")]


def _provenance(run: RunDirectory, sources: Sources) -> list[Part]:
    if not sources.artifacts:
        return []
    artifacts = sources.artifacts
    return [chain_table(artifacts), *permission_table(run), version_table(artifacts), *time_table(run)]


def _configuration(run: RunDirectory) -> list[Listing]:
    try:
        return [Listing("Configuration (config.toml)", run.config.read_text(encoding="utf-8", errors="replace"))]
    except OSError:
        return []


def _left_out(plots: Mapping[str, Plot], sources: Sources) -> list[tuple[str, str]]:
    """Return the pictures that cannot be drawn of what there is, and why."""
    return [(plot.name, reason) for plot in concerning(plots, sources) if (reason := plot.lacks(sources))]


def _if_possible(make: Callable[[], Sequence[Part]]) -> Sequence[Part]:
    """Return what is made; where a file that it needs cannot be used, the reason as a sentence."""
    try:
        return make()
    except AnomalyError as error:
        return [Message(f"Not shown: {error}.")]

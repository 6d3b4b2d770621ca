"""What was done in a run, in sentences that follow from its artifacts and say nothing of what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_regions
from anomaly_cli.report.contents import describe_tests
from anomaly_cli.report.plots.sources import Sources, method_of
from anomaly_cli.report.plots.style import cut_label


def tell(sources: Sources) -> str:
    """Return what was done, in one paragraph."""
    said = [*_data(sources), *_template(sources), *_ranking(sources), *_count(sources), *_checks(sources)]
    return " ".join(said) or "Nothing has been done yet."


def _data(sources: Sources) -> Iterator[str]:
    split = sources.artifacts.get(schema.SPLIT.name)
    if split is None:
        return
    regions = read_regions(split)
    beside = sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sb2"))
    windows = f"The signal region is {regions.sr.text} TeV, the side-bands are {regions.sb1.text} and"
    windows += f" {regions.sb2.text} TeV in the dijet mass and hold {beside:,} events."
    yield windows
    if "sr" in split.groups:
        yield f"The signal region holds {len(split.groups['sr']['mjj']):,}."
    names = ", ".join(split.features)
    if split.groups["origin"]["has_truth"]:
        injected = _injected(sources)
        yield f"The events are pseudo-data with labels{injected}; the search itself does not see them."
    else:
        yield "The events have no labels."
    yield f"Events are described by {names}."


def _injected(sources: Sources) -> str:
    truth = sources.group(schema.TRUTH, "observed")
    if not truth:
        return ""
    return f" ({int(truth['is_signal'].sum()):,} of all {len(truth['is_signal']):,} are signal)"


def _template(sources: Sources) -> Iterator[str]:
    artifact = sources.artifacts.get(schema.TEMPLATE.name)
    if artifact is None:
        model = sources.artifacts.get(schema.TEMPLATE_MODEL.name)
        if model is not None:
            method = method_of(model.provenance.settings)
            is_unusable = schema.TEMPLATE.name in sources.reasons
            then = "its template cannot be used" if is_unusable else "it has made no template yet"
            yield f"The template method {method} was trained; {then}."
        return
    parts, text = artifact.groups.get("parts"), "The background template was made by "
    text += method_of(artifact.provenance.settings)
    if parts:
        text += f" and holds {int(parts['n_events'].sum()):,} events"
    if parts and len(parts["n_events"]) > 1:
        text += f", in {len(parts['n_events'])} parts by as many models, so that no side-band event both trains a"
        text += " classifier and says how much background passes it"
    yield text + "."
    if "truth" in artifact.provenance.inputs:
        yield "It is made of true background, which no analysis has."


def _ranking(sources: Sources) -> Iterator[str]:
    scores = sources.artifacts.get(schema.SCORES.name)
    if scores is None:
        return
    settings: Mapping[str, Any] = scores.provenance.settings
    classifier, members = settings["classifier"]["name"], settings["classifier"]["settings"].get("ensemble")
    ensemble = f", {members} of them averaged" if members and members > 1 else ""
    yield (
        f"Events were ranked by the score {settings['score']['name']} with the classifier {classifier}{ensemble}, in"
        f" {settings['folds']} folds, so that no model scored an event that it had seen, or a copy of one."
    )


def _count(sources: Sources) -> Iterator[str]:
    significance = sources.artifacts.get(schema.SIGNIFICANCE.name)
    if significance is None:
        if sources.is_blinded:
            yield "The signal region is blinded: nothing in it has been counted."
        return
    tests = significance.groups["tests"]
    cuts = listed([cut_label(cut) for cut in tests["background_efficiency"]])
    by_fail = [
        cut_label(cut)
        for cut, test in zip(tests["background_efficiency"], tests["test"], strict=True)
        if test == "pass/fail"
    ]
    yield f"Events were counted after cuts that keep {cuts} of the template."
    if by_fail:
        yield f"At {listed(by_fail)} the events that fail the cut normalise the background, elsewhere the fit."
    else:
        yield "The side-band fit normalises the background."
    yield f"Significances are local, {describe_tests(tests)}."


def listed(names: list[str]) -> str:
    """Return names as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _checks(sources: Sources) -> Iterator[str]:
    closure = sources.artifacts.get(schema.CLOSURE.name)
    if closure is not None and len(closure.groups["checks"]["auc"]):
        yield "Boosted trees tried to tell the template from background."
    made = [name for name in ("bump", "limits", "permutation", "calibration", "injection") if name in sources.artifacts]
    if made:
        yield f"Further studies: {', '.join(made)}."

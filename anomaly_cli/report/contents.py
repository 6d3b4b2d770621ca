"""Which uncertainties the numbers of the significance suite contain, and which results belong together.

Every table and every export says it with these words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.measured_on import are_as_many, described_events, difference_of_events
from anomaly_cli.artifacts.provenance import NOT_THERE
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.artifacts.unblinding import INPUT, NOT_NEEDED, require_record

CLOSURE, KFOLD = "closure uncertainty", "k-fold over-dispersion"
SPURIOUS = "spurious signal"
NOT_MEASURED = "not measured"
FEWEST_EXPERIMENTS = 10
"""A k-fold factor from fewer pseudo-experiments is marked."""
RESULTS = (
    *(schema.BUMP, schema.LIMITS, schema.GLOBAL, schema.OVERDISPERSION, schema.VALIDATION, schema.PERMUTATION),
    *(schema.CALIBRATION, schema.INJECTION),
)
"""What else may be known of a run that has been counted, in the order in which it is shown."""
OF_SETTINGS = (schema.OVERDISPERSION, schema.PERMUTATION, schema.VALIDATION, schema.CALIBRATION)
"""What is true of all runs with the same settings."""


def missing_uncertainties(columns: Mapping[str, Any]) -> list[str]:
    """Return which uncertainties are not measured for some test of a count, or of what was made from it."""
    named = {"closure_uncertainty": CLOSURE, "overdispersion": KFOLD}
    return [name for key, name in named.items() if np.isnan(columns[key]).any()]


def describe(missing: list[str]) -> str:
    """Return what a number contains, in words."""
    return f"WITHOUT {' and '.join(missing)}" if missing else f"with {CLOSURE} and {KFOLD}"


def contents_of(artifact: Artifact) -> str:
    """Return which uncertainties the numbers of an artifact contain."""
    if artifact.kind is schema.BUMP:  # it needs no template; folds are trained on each other's events all the same
        tests = artifact.groups["tests"]
        missing = [KFOLD] if np.isnan(tests["overdispersion"]).any() else []
        measured = _number(tests["n_experiments"], "pseudo-experiments")
        text = describe([*missing, SPURIOUS])
        return f"{text} ({measured})" if measured else text
    settings = artifact.provenance.settings
    if artifact.kind in (schema.CALIBRATION, schema.INJECTION):
        named = {"closure": CLOSURE, "overdispersion": KFOLD}
        return describe([name for key, name in named.items() if not settings.get(key, False)])
    return describe_tests(artifact.groups["tests"])


def searches_of(injection: Artifact) -> str:
    """Return what an injection study searched for the signal that it put in, in words."""
    is_in_windows = injection.provenance.settings.get("in_windows", False)
    return "searches of signal-free windows" if is_in_windows else "pseudo-experiments"


def describe_tests(tests: Mapping[str, Any]) -> str:
    """Return what the numbers of tests contain, how it was measured, and which allow no claim, in words."""
    missing = missing_uncertainties(tests)
    n_windows, n_experiments = (np.asarray(tests[name]) for name in ("n_windows", "n_experiments"))
    is_few = n_experiments.max(initial=0) > 0 and n_experiments[n_experiments > 0].min() < FEWEST_EXPERIMENTS
    text = "k-fold over-dispersion from TOO FEW pseudo-experiments" if is_few and not missing else describe(missing)
    sources = [_number(n_windows, "windows"), _number(n_experiments, "pseudo-experiments")]
    measured = ", ".join(filter(None, sources))
    text = f"{text} ({measured})" if measured else text
    if "correction" in tests and (np.asarray(tests["correction"]) != 1.0).any():
        text += "; corrected by the windows' mean excess"
    if "no_claim" not in tests:
        return text
    refused = [
        f"{100 * e:g} %" for e, reason in zip(tests["background_efficiency"], tests["no_claim"], strict=True) if reason
    ]
    return f"{text}; NO CLAIM at {', '.join(refused)}" if refused else text


def _number(counts: npt.NDArray[np.int64], what: str) -> str:
    """Return how many of something tests rest on, as `6 windows` or `3 to 6 windows`; nothing for none."""
    known = counts[counts > 0]
    if not len(known):
        return ""
    least, most = int(known.min()), int(known.max())
    return f"{most} {what}" if least == most else f"{least} to {most} {what}"


def find_results(
    run: RunDirectory, split: Artifact, significance: Artifact, unusable: Collection[str] = ()
) -> tuple[dict[str, Artifact], list[Kind]]:
    """Return the further results that belong to a count, and the kinds of those that do not.

    What belongs to the settings, and is not in the run, is taken from where the count's uncertainties come from.

    Args:
        run: the run.
        split: of the run.
        significance: the count.
        unusable: kinds that are in the run and cannot be used; they are in neither result.

    Raises:
        ArtifactError: where one cannot be read, or needed an unblinding that is not recorded.
    """
    found, others = {}, []
    for kind in RESULTS:
        place = run.measurements if kind in OF_SETTINGS and not run.artifact(kind).exists() else run
        if kind.name in unusable or not place.artifact(kind).exists():
            continue
        result = place.read_file(place.artifact(kind), kind)
        if _belongs(result, significance) and is_of_events(result, split, place is run):
            if place is run and result.provenance.inputs.get(INPUT, NOT_NEEDED) != NOT_NEEDED:
                require_record(run, split, result)
            found[kind.name] = result
        elif place is run:
            others.append(kind)
    for kind in _outdated(found, significance):
        if found.pop(kind.name).path.parent == run.path:
            others.append(kind)
    return found, others


def _outdated(found: Mapping[str, Artifact], significance: Artifact) -> list[Kind]:
    """Return the kinds that another was put in place of since the count, or the limits, were made from them."""
    measured = (schema.OVERDISPERSION, schema.VALIDATION)
    outdated = [kind for kind in measured if _names_another(significance, found.get(kind.name))]
    bump = found.get(schema.BUMP.name)
    if bump is not None and _names_another(bump, found.get(schema.OVERDISPERSION.name)):
        outdated.append(schema.BUMP)
    limits = found.get(schema.LIMITS.name)
    if limits is not None and _names_another(limits, found.get(schema.INJECTION.name)):
        outdated.append(schema.LIMITS)  # their strengths are those of the earlier study
    return outdated


def _names_another(made: Artifact, source: Artifact | None) -> bool:
    return source is not None and made.provenance.inputs[source.kind.name] not in (NOT_THERE, source.digest)


def is_of_events(result: Artifact, split: Artifact, is_own: bool) -> bool:
    """Return whether a study was made on the events of a split, or where only their number matters, on as many.

    Args:
        result: the study.
        split: of the run.
        is_own: whether the study lies in the run; permutations of another one are shown as that one's.
    """
    if result.kind is schema.PERMUTATION:
        return not is_own or result.provenance.inputs["split"] == split.digest
    known = result.provenance.settings.get("events")
    if known is None:  # made from the count or from the scores, or studied by an earlier version, which did not say
        return result.kind not in (schema.CALIBRATION, schema.INJECTION)
    events = described_events(split)
    return are_as_many(known, events) if result.kind is schema.CALIBRATION else not difference_of_events(known, events)


def _belongs(result: Artifact, significance: Artifact) -> bool:
    """Return whether a result was made from a count, from the same scores, or, for a study, with its settings."""
    inputs = result.provenance.inputs
    if result.kind is schema.GLOBAL:
        return significance.digest in inputs.values()
    if result.kind is schema.LIMITS:
        return inputs["significance"] == significance.digest
    if result.kind is schema.BUMP:
        return inputs["scores"] == significance.provenance.inputs["scores"]
    mine, other = result.provenance.settings, significance.provenance.settings
    is_corrected_alike = mine.get("correct", other.get("correct")) == other.get("correct")
    return bool(mine["settings_digest"] == other["settings_digest"]) and is_corrected_alike

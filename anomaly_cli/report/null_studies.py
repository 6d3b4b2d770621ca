"""What searches for signal where there is none have found, method by method (`benchmarks/null.py`).

A significance is worth what it is where there is nothing to find. The studies are measurements, of a method together
with what ranks its events; whatever is not among them, plug-ins included, has not been checked.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.notation import PERCENT
from anomaly_cli.report.ranking import EXPECTED, ranking_of

FILE = Path(__file__).with_name("null_studies.toml")
"""Written by `benchmarks/null.py tell`."""
RANKING = ("score", "classifier")
MOST_NAMED = 2
"""Changed settings that are named; the others are counted."""
TOLERATED = 0.2
"""A mean Z that is no smaller than this is a bias, if it is also two of its errors from 0."""


@dataclass(frozen=True)
class NullStudy:
    """Searches in simulated background, everything measured anew in each.

    Attributes:
        method: template method.
        score: what ranks events.
        classifier: its classifier.
        correct: how expectations were corrected.
        settings: all others that matter, by their names in the configuration (`settings_of`).
        n_searches: how many searches, of `n_sets` disjoint sets.
        n_sets: disjoint sets of events.
        background_efficiencies: the cuts, `(c,)`.
        mean: mean Z after each `(c,)`.
        error: its standard error, from the scatter of sets `(c,)`.
    """

    method: str
    score: str
    classifier: str
    correct: str
    settings: Mapping[str, Any]
    n_searches: int
    n_sets: int
    background_efficiencies: Sequence[float]
    mean: Sequence[float]
    error: Sequence[float]

    @property
    def bias(self) -> str:
        """A sentence that says where Z is not centred; empty where it is."""
        rows = zip(self.background_efficiencies, self.mean, self.error, strict=True)
        off = [(cut, mean) for cut, mean, error in rows if abs(mean) > max(TOLERATED, 2.0 * error)]
        if not off:
            return ""
        found = ", ".join(f"{mean:.1f} at {PERCENT.number(cut)}" for cut, mean in off)
        chosen = [name for name in (self.score, self.classifier) if name not in (*EXPECTED, self.method)]
        how = f" ranked by {', '.join(chosen)}" if chosen else ""
        return (
            f"Z of {self.method}{how} is not centred: in {self.n_searches} searches of simulated background, with no"
            f" signal in it, the mean Z was {found}."
        )


@functools.cache
def read_studies() -> tuple[NullStudy, ...]:
    """Return all studies that the package knows of."""
    found: list[Mapping[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["study"]
    return tuple(NullStudy(**one) for one in found)


def settings_of(made: Mapping[str, Any], ranked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that Z without signal may depend on, by their names in the configuration.

    Sizes of ensembles are none: the studies have fewer classifiers per fold than is usual, to save time.

    Args:
        made: settings that the template was made with, as its provenance has them.
        ranked: those that the events were ranked with.
    """
    model, found = made["model"], {"template.oversampling": made["oversampling"]}
    found["template.crossfit"] = model["crossfit"]["scheme"]
    found["template.base"] = "shared" if model.get("provided") else ""
    found["score.decorrelate"] = ranked.get("decorrelate", "none")
    found |= {f"classifier.{name}": ranked[name] for name in ("folds", "validation_fraction")}
    for family, chosen in (("methods", model["method"]), *((f"{kind}s", ranked[kind]) for kind in RANKING)):
        own = {name: value for name, value in chosen["settings"].items() if name != "ensemble"}
        found |= {f"{family}.{chosen['name']}.{name}": value for name, value in own.items() if value is not None}
    return found


def doubt_without_signal(template: Artifact, scores: Artifact, counts: Artifact | None) -> str:
    """Return a sentence where Z is known not to be centred without signal, or nobody has looked; empty otherwise.

    Args:
        template: of the run.
        scores: of the run.
        counts: of the run, which know the correction; None where they are blinded.
    """
    if "truth" in template.provenance.inputs:
        return ""
    made, ranked = template.provenance.settings, scores.provenance.settings
    method = str(made["model"]["method"]["name"])
    chosen = (method, *(str(ranked[what]["name"]) for what in RANKING))
    studies = [one for one in read_studies() if (one.method, one.score, one.classifier) == chosen]
    own = settings_of(made, ranked)
    if counts is not None:
        own["significance.correct"] = counts.provenance.settings["correct"]
    changed: list[str] = []
    for study in studies:
        known = {**study.settings, "significance.correct": study.correct}
        changed = [
            f"{name.split('.')[-1]} = {json.dumps(value)}" for name, value in own.items() if known.get(name) != value
        ]
        if not changed:
            return study.bias
    named = [f"ranked by {ranking}" if (ranking := ranking_of(scores, method)) else "", *changed[:MOST_NAMED]]
    named += [f"and {len(changed) - MOST_NAMED} more"] if len(changed) > MOST_NAMED else []
    how = ", ".join(filter(None, named))
    return (
        f"Z of {method}{f' ({how})' if how else ''} has never been checked where there is no signal: 'anomaly"
        " significance calibrate' does so in simulated background."
    )

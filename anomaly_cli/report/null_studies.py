"""What searches for signal where there is none have found, method by method (`benchmarks/null.py`).

A significance is worth what it is where there is nothing to find. The studies are measurements, of a method together
with what ranks its events; whatever is not among them, plug-ins included, has not been checked.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.notation import PERCENT
from anomaly_cli.report.ranking import ranking_of

FILE = Path(__file__).with_name("null_studies.toml")
"""Written by `benchmarks/null.py tell`."""
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
        return (
            f"Z of {self.method} is not centred: in {self.n_searches} searches of simulated background, with no signal"
            f" in it, the mean Z was {found}."
        )


@functools.cache
def read_studies() -> tuple[NullStudy, ...]:
    """Return all studies that the package knows of."""
    found: list[Mapping[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["study"]
    return tuple(NullStudy(**one) for one in found)


def doubt_without_signal(template: Artifact, scores: Artifact, counts: Artifact | None) -> str:
    """Return a sentence where Z is known not to be centred without signal, or nobody has looked; empty otherwise.

    Args:
        template: of the run.
        scores: of the run.
        counts: of the run, which know the correction; None where they are blinded.
    """
    if "truth" in template.provenance.inputs:
        return ""
    method = str(template.provenance.settings["model"]["method"]["name"])
    chosen = (method, *(str(scores.provenance.settings[what]["name"]) for what in ("score", "classifier")))
    studies = [one for one in read_studies() if (one.method, one.score, one.classifier) == chosen]
    correct = None if counts is None else counts.provenance.settings["correct"]
    for study in studies:
        if correct in (None, study.correct):
            return study.bias
    named = [f"ranked by {ranking}" if (ranking := ranking_of(scores, method)) else ""]
    named += [f'significance.correct = "{correct}"' if studies else ""]
    how = ", ".join(filter(None, named))
    return (
        f"Z of {method}{f' ({how})' if how else ''} has never been checked where there is no signal: 'anomaly"
        " significance calibrate' does so in simulated background."
    )

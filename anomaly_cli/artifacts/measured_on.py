"""Which events something was measured on, and how others differ from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from anomaly_cli.artifacts.store import Artifact

SCORES_ROLE = "scores"
"""The role of a file of scores among the inputs of a split."""
LARGEST_DIFFERENCE = math.log(1.25)
"""A measurement with a quarter more side-band events, or a fifth fewer, is another measurement."""
SIZE = "n_side_bands"


def described_events(split: Artifact) -> dict[str, Any]:
    """Return what measured uncertainties depend on of the events: the files, and how many lie in the side-bands.

    Signal that is injected from another file, and a reference, change neither.
    """
    n = sum(len(split.groups[name]["mjj"]) for name in ("sb1", "sb2"))
    files = {role: split.provenance.inputs[role] for role in ("data", SCORES_ROLE) if role in split.provenance.inputs}
    return {**files, SIZE: n}


def difference_of_events(known: Mapping[str, Any], events: Mapping[str, Any]) -> str:
    """Return how the events that something was measured on differ from those of a search; empty where they do not."""
    if known["data"] != events["data"]:
        return "on another data file"
    if known.get(SCORES_ROLE) != events.get(SCORES_ROLE):
        return "with other scores (--score-file)"
    if not are_as_many(known, events):
        return f"with {known[SIZE]} side-band events, not {events[SIZE]}"
    return ""


def are_as_many(known: Mapping[str, Any], events: Mapping[str, Any]) -> bool:
    """Return whether templates of both are off alike, as far as that depends on the number of events."""
    return abs(math.log(known[SIZE] / events[SIZE])) <= LARGEST_DIFFERENCE

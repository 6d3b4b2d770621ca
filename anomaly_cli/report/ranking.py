"""What ranked the events, in words."""

from __future__ import annotations

from anomaly_cli.artifacts.store import Artifact

EXPECTED = ("cwola", "trees")
"""The default score and classifier."""


def ranking_of(scores: Artifact, method: str) -> str:
    """Return score and classifier where they are not what everybody expects; empty otherwise.

    Args:
        scores: the events' scores.
        method: the template method, which has a score of its own where the score bears its name.
    """
    chosen = {what: str(scores.provenance.settings[what]["name"]) for what in ("score", "classifier")}
    return ", ".join(f"{what} {name}" for what, name in chosen.items() if name not in (*EXPECTED, method))

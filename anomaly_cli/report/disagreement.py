"""Where the count and the bump hunt of one run do not say the same."""

from __future__ import annotations

import math

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.table import Level, Message, Row
from anomaly_cli.report.tables import percent, rows_of

APART = 2.0
"""Fitted signals further apart, in standard deviations of their difference, disagree."""
UNLIKE = 1.5
"""Significances of like signals further apart are explained."""
SMALLEST_SHARE = 0.25
"""Of the two variances, what the difference has at least: both use the same events of the signal region."""


def compare_searches(significance: Artifact, bump: Artifact) -> list[Message]:
    """Return a sentence for every cut at which count and bump hunt differ."""
    hunted = {float(row["background_efficiency"]): row for row in rows_of(bump.groups["tests"])}
    pairs = [(row, hunted.get(float(row["background_efficiency"]))) for row in rows_of(significance.groups["tests"])]
    sentences = [_compare(row, other) for row, other in pairs if other is not None]
    return [Message(sentence, Level.WARNING) for sentence in sentences if sentence]


def _compare(counted: Row, hunted: Row) -> str:
    excess, background = counted["n_observed"] - counted["n_expected"], float(counted["n_expected"])
    error = math.hypot(counted["uncertainty"], math.sqrt(background))
    wider = 1.0 if math.isnan(hunted["overdispersion"]) else hunted["overdispersion"]
    other = float(hunted["signal_error"]) * wider
    total = error**2 + other**2
    apart = abs(excess - hunted["signal_yield"]) / math.sqrt(max(total - 2.0 * background, SMALLEST_SHARE * total))
    cut = percent(counted["background_efficiency"])
    signals = f"{hunted['signal_yield']:.0f} +- {other:.0f} and {excess:.0f} +- {error:.0f} events"
    significances = f"Z = {hunted['z']:.1f} and {counted['z']:.1f}"
    faked = f", of which the template alone fakes {hunted['spurious_signal']:.0f}"
    faked = faked if abs(hunted["spurious_signal"]) > hunted["signal_error"] else ""
    both = f"{signals} ({significances}){faked}."
    if apart > APART:
        return (
            f"At {cut}, bump hunt and count disagree: {both} The bump hunt knows no non-closure of the template, and"
            " the count no sculpting of the spectrum; claim neither before spurious signal, pass rate and validation"
            " windows say which is wrong."
        )
    if abs(hunted["z"] - counted["z"]) > UNLIKE and not counted["no_claim"]:
        return (
            f"At {cut}, bump hunt and count find like signals with unlike certainty: {both} Only the count contains the"
            " uncertainty of the template, only the bump hunt that of the smooth spectrum."
        )
    return ""

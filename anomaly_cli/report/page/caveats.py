"""What has to be read before any number of a run: what is missing, blinded, doubtful, or may not be claimed."""

from __future__ import annotations

from collections.abc import Iterator

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.columns import Kind
from anomaly_cli.report.contents import describe, missing_uncertainties
from anomaly_cli.report.null_studies import doubt_without_signal
from anomaly_cli.report.page.story import listed
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.plots.style import cut_label
from anomaly_cli.report.results.closure import told_apart
from anomaly_cli.report.tables import rows_of

CHAIN = (schema.SPLIT, schema.TEMPLATE_MODEL, schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE, schema.CLOSURE)
"""What a finished run holds."""
UNLIKELY = 0.01
"""Probabilities below this are pointed out."""


def caveats(sources: Sources) -> list[str]:
    """Return sentences, the gravest first."""
    return [
        *_unfinished(sources),
        *(f"Not used: {reason}." for reason in dict.fromkeys(sources.reasons.values())),
        *_expected(sources),
        *_counted(sources),
        *_without_signal(sources),
        *_template(sources),
    ]


def _unfinished(sources: Sources) -> Iterator[str]:
    missing: list[Kind] = [kind for kind in CHAIN if kind.name not in {*sources.artifacts, *sources.reasons}]
    if sources.is_blinded:
        missing = [kind for kind in missing if kind is not schema.SIGNIFICANCE]
        yield "BLINDED: the signal region has not been looked at; nothing that tells of it is shown here."
    if missing:
        names = listed([kind.name.replace("_", " ") for kind in missing])
        verb = "is" if len(missing) == 1 else "are"
        yield f"The run is not finished: {names} {verb} missing. 'anomaly run' continues it."


def _expected(sources: Sources) -> Iterator[str]:
    """Return what is not in the expectations of a run that has not been counted."""
    tests = sources.group(schema.SENSITIVITY, "tests")
    if not tests or schema.SIGNIFICANCE.name in sources.artifacts:
        return
    missing = missing_uncertainties(tests)
    if missing:
        yield f"What the search can find is {describe(missing)}; 'anomaly run --measure' measures both before the look."


def _counted(sources: Sources) -> Iterator[str]:
    tests = sources.group(schema.SIGNIFICANCE, "tests")
    if not tests:
        return
    missing = missing_uncertainties(tests)
    if missing:
        yield f"Significances are {describe(missing)}; 'anomaly run --measure' measures both."
    cuts = [cut_label(cut) for cut in tests["background_efficiency"]]
    reasons: dict[str, list[str]] = {}
    for cut, reason in zip(cuts, tests["no_claim"], strict=True):
        if str(reason):
            reasons.setdefault(str(reason), []).append(cut)
    yield from (f"NO CLAIM at {', '.join(at)}: {reason}." for reason, at in reasons.items())
    alike = [cut for cut, p in zip(cuts, tests["fold_p"], strict=True) if p < UNLIKELY]
    if alike:
        yield f"At {', '.join(alike)} the folds differ by more than chance explains."
    fit = sources.group(schema.SIGNIFICANCE, "mass_fit")
    if fit and float(fit["p_value"]) < UNLIKELY:
        yield f"The side-band fit is poor (p = {float(fit['p_value']):.1e})."


def _without_signal(sources: Sources) -> Iterator[str]:
    """Return what is known of Z where there is no signal, unless the run has been calibrated itself."""
    template, scores = (sources.artifacts.get(kind.name) for kind in (schema.TEMPLATE, schema.SCORES))
    if template is None or scores is None or schema.CALIBRATION.name in sources.artifacts:
        return
    doubt = doubt_without_signal(template, scores, sources.artifacts.get(schema.SIGNIFICANCE.name))
    if doubt:
        yield doubt


def _template(sources: Sources) -> Iterator[str]:
    template = sources.artifacts.get(schema.TEMPLATE.name)
    if template is not None and "truth" in template.provenance.inputs:
        yield "The template is true background: a benchmark, which no analysis has."
    closure = sources.artifacts.get(schema.CLOSURE.name)
    if closure is not None:
        yield from told_apart(rows_of(closure.groups["checks"]))

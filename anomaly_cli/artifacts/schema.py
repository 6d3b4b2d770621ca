"""Every artifact's groups, columns, units and version: the file format in one table.

Units and meanings are copied into the files as HDF5 attributes, so `h5dump` alone explains a file.
Raise a kind's `version` when an old reader would misread the new file.
"""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_cli.artifacts.columns import TRAINING, Column, Group, Kind, event_columns
from anomaly_cli.artifacts.decorrelation_kinds import DECORRELATION
from anomaly_cli.artifacts.measured_kinds import OVERDISPERSION, PERMUTATION, VALIDATION
from anomaly_cli.artifacts.morph_schema import MORPH, MORPH_MODEL
from anomaly_cli.artifacts.quality_kinds import (
    CLOSURE,
    DIAGNOSTICS,
    EVALUATION,
    EXPLANATION,
    SCORED,
    SCORED_EVENTS,
    SHARPNESS,
)
from anomaly_cli.artifacts.scan_kinds import SCAN, SCAN_POINT
from anomaly_cli.artifacts.significance_kinds import (
    BUMP,
    GLOBAL,
    LIMITS,
    MASS_FIT,
    SIGNIFICANCE,
)
from anomaly_cli.artifacts.study_kinds import CALIBRATION, INJECTION, SENSITIVITY, SMOOTH_MODEL

__all__ = (
    "BUMP",
    "CALIBRATION",
    "CLASSIFIER",
    "CLOSURE",
    "DECORRELATION",
    "EVALUATION",
    "EXPLANATION",
    "GLOBAL",
    "INJECTION",
    "KINDS",
    "LIMITS",
    "MORPH",
    "MORPH_MODEL",
    "OVERDISPERSION",
    "PERMUTATION",
    "SCAN",
    "SCAN_POINT",
    "SCORED_EVENTS",
    "SCORES",
    "SENSITIVITY",
    "SHARED_MODEL",
    "SHARPNESS",
    "SIGNIFICANCE",
    "SMOOTH_MODEL",
    "SPLIT",
    "TEMPLATE",
    "TEMPLATE_MODEL",
    "TRUTH",
    "VALIDATION",
    "Column",
    "Group",
    "Kind",
)


_WINDOWS = {
    "name": Column("str", "w", "", "sb1, sr, sb2"),
    "low": Column("f8", "w", "GeV", "lower edge, included"),
    "high": Column("f8", "w", "GeV", "upper edge, excluded"),
}

SPLIT = Kind(
    "split",
    1,
    "observed (or pseudo-) data, divided into side-bands, signal region and the rest; no truth",
    "anomaly split",
    {
        "windows": Group(_WINDOWS, "the mass windows"),
        "origin": Group(
            {"has_truth": Column("b1", "", "", "whether a truth artifact belongs to this split")}, "kind of data"
        ),
        "cutflow": Group(
            {
                "step": Column("str", "c", "", "step of the selection"),
                "n_events": Column("i8", "c", "", "events left after the step"),
            },
            "how many events each step left",
            tells_region=True,
        ),
        "sb1": Group(event_columns(), "events in the lower side-band", holds_events=True),
        "sr": Group(event_columns(), "events in the signal region", tells_region=True, holds_events=True),
        "sb2": Group(event_columns(), "events in the upper side-band", holds_events=True),
        "rest": Group(event_columns(), "events in none of the windows", tells_region=True, holds_events=True),
    },
)

_SOURCE = {
    "source": Column("i8", "n", "", "row in sources: the file that the event was read from"),
    "source_row": Column("i8", "n", "", "row in that file"),
}

TRUTH = Kind(
    "truth",
    3,
    "truth labels and held-back events; read only by evaluation, reports and methods that declare it",
    "anomaly split",
    {
        "observed": Group(
            {
                "event_id": Column("i8", "n", "", "identity in the split artifact"),
                "is_signal": Column("b1", "n", "", "truth label"),
                **_SOURCE,
            },
            "truth of every observed event",
        ),
        "reference": Group(
            event_columns({"is_signal": Column("b1", "n", "", "truth label"), **_SOURCE}),
            "labelled events that are not in the pseudo-data: reserved background and unused signal",
            holds_events=True,
        ),
        "sources": Group(
            {
                "role": Column("str", "s", "", "data, inject_from or reference"),
                "file": Column("str", "s", "", "name of the file"),
                "digest": Column("str", "s", "", "its sha256"),
                "n_injected": Column("i8", "s", "", "signal events of it in the pseudo-data"),
            },
            "the files that events were read from; the seed of the drawing is in the provenance",
        ),
        "cutflow": Group(
            {
                "source": Column("i8", "k", "", "index of the file in sources"),
                "step": Column("str", "k", "", "what was asked for"),
                "n_events": Column("i8", "k", "", "events left after this step"),
            },
            "what was left of the files of injected signals and of the reference; that of the data is in the split",
        ),
    },
    twin="split",
)

SHARED_MODEL = Kind(
    "shared_model",
    1,
    "a model trained once on the whole spectrum and shared by signal regions, as a density of the features given mjj",
    "anomaly base",
    {
        "weights": Group({}, "scaling and weights"),
        "training": TRAINING,
        "left_out": Group(
            {
                "low": Column("f8", "w", "GeV", "lower edge of a window whose events it never saw"),
                "high": Column("f8", "w", "GeV", "upper edge"),
            },
            "mass windows left out of the training; a signal region elsewhere has been seen, signal included",
        ),
        "counts": Group(
            {
                "n_seen": Column("i8", "", "", "events that it was trained or stopped on"),
                "n_left_out": Column("i8", "", "", "events in the windows left out"),
            },
            "events",
            tells_region=True,
        ),
    },
)

CROSSFIT = Group(
    {
        "scheme": Column("str", "", "", "how side-band events are divided between the models of the template"),
        "n_folds": Column("i8", "", "", "folds of the classifier"),
        "salt": Column("i8", "", "", "of the hash of source ids that divides"),
        "is_lagged": Column("b1", "", "", "whether a part is counted in the fold after its own"),
    },
    "how events are divided, so that none both trains a classifier and tells how much passes it",
    optional=True,
)

TEMPLATE_MODEL = Kind(
    "template_model",
    3,
    "a trained template method: arrays, settings in the provenance, training curves",
    "anomaly template",
    {
        "weights": Group({}, "arrays of the trained models, one for each part", optional=True),
        "training": TRAINING,
        "crossfit": CROSSFIT,
        "scaling": Group(
            {
                "feature": Column("str", "d", "", "feature"),
                "n_clipped": Column("i8", "d", "", "side-band events moved to the edge of the spline range"),
            },
            "how many training events the preprocessing clipped",
            optional=True,
        ),
        "simulation": Group(
            {
                "step": Column("str", "c", "", "step of the selection"),
                "n_events": Column("i8", "c", "", "events left after the step"),
            },
            "how many simulated events each step left",
            optional=True,
        ),
        "shared": Group(
            {
                "has_seen_signal_region": Column(
                    "b1", "", "", "whether the shared model was trained on signal-region events, signal included"
                )
            },
            "the model shared with other signal regions that this one was trained with",
            optional=True,
        ),
    },
    parents=("split",),
)

TEMPLATE = Kind(
    "template",
    3,
    "background-like events in the signal region",
    "anomaly template",
    {
        "events": Group(event_columns(), "template events, part after part", tells_region=True, holds_events=True),
        "parts": Group(
            {
                "n_events": Column("i8", "p", "", "events of the part"),
                "trains": Column("str", "p", "", "folds whose classifiers are trained against it, as 0,1; all"),
                "counts": Column("str", "p", "", "folds in which it says how much background passes; all"),
            },
            "the parts of the template, each made by a model of its own",
            tells_region=True,
        ),
        "crossfit": CROSSFIT,
        "replicas": Group(
            event_columns()
            | {
                "n_events": Column("i8", "p", "", "events of the part; 0 where it has no replicas"),
                "replica_features": Column("f8", "r,n,d", "", "the features from each replica of the part's model"),
            },
            "some events as each part's model makes them, and as replicas of it do",
            optional=True,
            tells_region=True,
        ),
        "components": Group(
            {"component": Column("i8", "n", "", "which of the combined methods made the event, counted from 0")},
            "where the template comes from several methods",
            optional=True,
            tells_region=True,
        ),
        "mass_fit": Group(MASS_FIT, "side-band fit that the target masses were drawn from", optional=True),
        "clipped": Group(
            {
                "feature": Column("str", "d", "", "feature"),
                "n_clipped": Column("i8", "d", "", "template events held at the edge of the feature's side-band range"),
            },
            "how many generated events were clipped",
            optional=True,
            tells_region=True,
        ),
    },
    parents=("split",),
)

SCORES = Kind(
    "scores",
    3,
    "scores of observed, template and side-band events, each by models that never saw it or a copy of it",
    "anomaly classify",
    {
        "observed": Group(SCORED, "signal-region events", tells_region=True),
        "template": Group(SCORED, "template events that are counted in their fold", tells_region=True),
        "side_bands": Group(SCORED, "side-band events", tells_region=True),
        "replicas": Group(
            {
                **{name: column for name, column in SCORED.items() if name != "mjj"},
                "part": Column("i8", "n", "", "part of the template, counted from 0"),
                "replica_scores": Column("f8", "r,n", "", "scores of the event from each replica of its part's model"),
            },
            "some template events, and what replicas of their models make of them",
            optional=True,
            tells_region=True,
        ),
        "diagnostics": DIAGNOSTICS,
    },
    parents=("split", "template"),
)

CLASSIFIER = Kind(
    "classifier",
    2,
    "what ranked the events of scores.h5: trained models as arrays, settings in the provenance",
    "anomaly classify",
    {"models": Group({}, "arrays of all models", tells_region=True), "crossfit": CROSSFIT},
    parents=("split", "template"),
    twin="scores",
)

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        *(SPLIT, TRUTH, SHARED_MODEL, TEMPLATE_MODEL, TEMPLATE, SCORES, CLASSIFIER, SIGNIFICANCE),
        *(CLOSURE, EVALUATION, SCORED_EVENTS, EXPLANATION, SHARPNESS),
        *(MORPH_MODEL, MORPH, DECORRELATION),
        *(VALIDATION, OVERDISPERSION, PERMUTATION, BUMP, LIMITS, GLOBAL, SENSITIVITY),
        *(SMOOTH_MODEL, CALIBRATION, INJECTION),
        *(SCAN_POINT, SCAN),
    )
}
"""Every kind by name."""

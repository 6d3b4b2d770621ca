"""What template methods are given: side-bands, and truth only where it is handed over."""

from __future__ import annotations

import numpy as np

from anomaly_cli.artifacts.contents import Truth, read_regions
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.streams import Streams
from anomaly_cli.methods.base import TemplateInputs, TruthInputs

FEWEST_SIDE_BAND_EVENTS = 500
"""A side-band with fewer events cannot train a template method."""
VALIDATION_FRACTION = 0.1
"""Fraction of the side-band events kept for validation, by hash of the event id."""


def template_inputs(split: Artifact, seed: int, truth: Truth | None) -> TemplateInputs:
    """Return what a template method may see; true background only where `truth` is handed over.

    Raises:
        PhysicsError: where a side-band has too few events.
    """
    regions = read_regions(split)
    bands = [split.events("sb1"), split.events("sb2")]
    for window, band in zip(regions.side_bands, bands, strict=True):
        if len(band) < FEWEST_SIDE_BAND_EVENTS:
            raise PhysicsError(
                f"side-band {window.text} TeV holds {len(band)} events, training a template needs at least"
                f" {FEWEST_SIDE_BAND_EVENTS}; widen it with --side-bands"
            )
    ids = np.concatenate([band.event_id for band in bands])
    is_validation = hash_uniform(ids, Streams(seed).integer("template/validation")) < VALIDATION_FRACTION
    if truth is None:
        return TemplateInputs(bands[0], bands[1], regions, is_validation)
    return TruthInputs(bands[0], bands[1], regions, is_validation, truth.background(regions.sr))

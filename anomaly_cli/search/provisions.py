"""What a search has beside its events, and who may see what of it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from anomaly_cli.core.errors import PhysicsError
from anomaly_cli.core.events import refuse_constant
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.seen import VALIDATION_FRACTION, Need, Seen, SharedModel, Simulation, TrueEvents
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.windows import Window
from anomaly_cli.search.split import Split

FEWEST_SIDE_BAND_EVENTS = 500
"""A side-band with fewer events cannot train a template method."""


@dataclass(frozen=True)
class Provisions:
    """What there is beside the events; None where there is nothing.

    Attributes:
        simulation: simulated background.
        shared: a model that signal regions share.
        true: labelled events that are not in the pseudo-data.
    """

    simulation: Simulation | None = None
    shared: SharedModel | None = None
    true: TrueEvents | None = None


def refuse_few(window: Window, n: int) -> None:
    """Refuse a side-band with too few events to train a template.

    Raises:
        PhysicsError: naming it.
    """
    if n < FEWEST_SIDE_BAND_EVENTS:
        raise PhysicsError(
            f"side-band {window.text} TeV holds {n} events, training a template needs at least"
            f" {FEWEST_SIDE_BAND_EVENTS}; widen it with --side-bands, and --overwrite for the split that is there"
        )


def show(split: Split, provisions: Provisions, needs: Set[Need], reader: str, streams: Streams) -> Seen:
    """Return the side-bands, and of everything else only what was declared to be needed.

    Args:
        split: the events.
        provisions: what there is beside them.
        needs: what the reader declares.
        reader: what it is called in sentences.
        streams: of the search; they choose the events for validation.

    Raises:
        PhysicsError: where a side-band has too few events, or a feature that is constant.
    """
    for window, band in zip(split.regions.side_bands, (split.sb1, split.sb2), strict=True):
        refuse_few(window, len(band))
    refuse_constant(split.side_bands, "side-band event, so that nothing is learnt of it")
    ids = np.concatenate([split.sb1.event_id, split.sb2.event_id])
    is_validation = hash_uniform(ids, streams.integer("template/validation")) < VALIDATION_FRACTION
    return Seen(
        sb1=split.sb1,
        sb2=split.sb2,
        regions=split.regions,
        is_validation=is_validation,
        reader=reader,
        simulation=provisions.simulation if Need.SIMULATION in needs else None,
        shared=provisions.shared if Need.SHARED_MODEL in needs else None,
        observed=split.sr if Need.SR_FEATURES in needs else None,
        true=provisions.true if Need.TRUTH in needs else None,
    )

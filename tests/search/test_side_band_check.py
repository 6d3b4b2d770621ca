"""Closure in the side-bands: the template is compared with events that neither it nor what it copies has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from toys import REGIONS, compute, toy_events

from anomaly_cli.core.seen import Seen
from anomaly_cli.methods.base import FittedTemplate, Sample
from anomaly_cli.search.closure import PER_HELD_OUT, side_band_check
from anomaly_cli.search.split import split_events


class OfAll(FittedTemplate):
    """Takes any side-band event as source, held out or not."""

    def __init__(self, events):
        self.events = events

    def sample(self, request, compute):
        index = compute.streams.generator("sources").integers(len(self.events), size=len(request))
        moved = replace(self.events.take(index), mjj=request.masses, event_id=np.arange(len(request)))
        return Sample(moved, np.zeros(len(moved.names), dtype=np.int64))

    def to_arrays(self):
        return {}


def part(seed):
    split = split_events(toy_events(3000, seed, first_id=seed * 10**6), REGIONS)
    seen = Seen(split.sb1, split.sb2, REGIONS, np.arange(len(split.side_bands)) % 10 == 0)
    return OfAll(seen.side_bands), seen


def test_neither_copies_of_held_out_events_nor_these_are_compared_with_them():
    parts = [part(1), part(2)]
    check = side_band_check(parts, compute())
    held_out = np.concatenate([seen.side_bands.event_id[seen.is_validation] for _, seen in parts])
    assert np.array_equal(check.compared.source_id, held_out)
    for made in (check.template, check.untouched):
        assert not np.isin(made.source_id, held_out).any()
        assert 0.8 * PER_HELD_OUT < len(made.source_id) / len(held_out) <= PER_HELD_OUT
        assert set(np.unique(made.source_id // 10**6)) == {1, 2}
    assert check.n_features == check.compared.points.shape[1] - 1  # the last column is the mass


def test_masses_are_those_of_the_events_that_trained():
    """Both sides of the comparison fall as the spectrum does, or trees would tell them apart by the mass."""
    (fitted, seen) = part(3)
    check = side_band_check([(fitted, seen)], compute())
    trained = seen.side_bands.mjj[~seen.is_validation]
    for made in (check.template, check.untouched):
        assert np.isin(made.points[:, -1], trained).all()
        assert abs(made.points[:, -1].mean() - trained.mean()) < 5 * trained.std() / np.sqrt(len(made.points))

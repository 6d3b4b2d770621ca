"""Several models fitted at once, so that a GPU trains networks of one kind by the same operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from anomaly_cli import nets
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.progress import silent
from anomaly_cli.core.seen import Seen
from anomaly_cli.methods.base import FittedTemplate, TemplateMethod


def fit_side_by_side(pieces: Sequence[tuple[TemplateMethod, Seen, Compute]]) -> list[FittedTemplate]:
    """Fit each method on what it may see; the first one reports, for all.

    Methods are fitted in turns, and whenever all have come to a training, these are done together
    (`nets.together.train_all`). Each model is what it would be alone, but for rounding.

    Raises:
        AnomalyError: where something is missing or a training diverges.
    """
    meeting = nets.together.open_meeting()
    computes = [
        replace(compute, meeting=meeting, progress=silent if place else compute.progress)
        for place, (_, _, compute) in enumerate(pieces)
    ]
    n_threads = nets.torch.get_num_threads()
    try:
        with nets.torch.random.fork_rng(devices=[]):  # blocks that seed torch are left in another order than entered
            return meeting.run(
                [partial(method.fit, seen, one) for (method, seen, _), one in zip(pieces, computes, strict=True)]
            )
    finally:
        nets.torch.set_num_threads(n_threads)

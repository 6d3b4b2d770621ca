"""Any score made free of the mass: what part of background of the same mass has a smaller one.

References:
    S. Klein, T. Golling, "Decorrelation using conditional normalizing flows", 2022, arXiv:2211.02486.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import Events
from anomaly_cli.core.folds import hash_uniform
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import VALIDATION_FRACTION, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.methods import densities
from anomaly_cli.scores.backgrounds import each_fold, training_template
from anomaly_cli.scores.base import Diagnostic, FittedScore, Ranking

AS_IT_IS, OF_TEMPLATE, OF_SIDE_BANDS = "none", "template", "side_bands"
DECORRELATIONS = {
    AS_IT_IS: "the score as it is",
    OF_TEMPLATE: "free of the mass inside the signal region, by the template events that train a fold",
    OF_SIDE_BANDS: "free of the mass everywhere, by side-band events: for bump hunts over all masses",
}
"""How a score can be decorrelated, and what each does."""


def check_decorrelation(name: str) -> None:
    """Refuse what is no way of decorrelating.

    Raises:
        ConfigError: where it is not.
    """
    if name not in DECORRELATIONS:
        raise ConfigError(f"score.decorrelate = '{name}' is not known; write one of {', '.join(DECORRELATIONS)}")


@dataclass(frozen=True)
class Decorrelated(FittedScore):
    """A score, and its distribution given the mass for every fold.

    Attributes:
        inner: the score as it is.
        distributions: of the score of each fold's models given ln(mjj).
    """

    inner: FittedScore
    distributions: Sequence[Any]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the normal number with the CDF of each event's score at its mass: it rises with the score."""
        scores, moved = self.inner.score(events, fold), np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            moved[inside] = self.distributions[index].normal(scores[inside], log_mass(own))
        return moved

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What the score itself tells."""
        return self.inner.diagnostics

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of score and distributions."""
        arrays = {f"inner:{name}": array for name, array in self.inner.to_arrays().items()}
        for index, one in enumerate(self.distributions):
            arrays |= one.to_arrays(f"cdf{index}")
        return arrays


def log_mass(events: Events) -> FloatArray:
    """Return what the distributions are conditioned on `(n, 1)`."""
    return np.log(events.mjj)[:, None]


def decorrelate(
    fitted: FittedScore, how: str, seen: Seen, template: Template, ranking: Ranking, compute: Compute
) -> FittedScore:
    """Return a score free of the mass; a fold's distribution is of what may train it and of nothing else.

    Args:
        fitted: the score.
        how: one of `DECORRELATIONS`.
        seen: the side-bands.
        template: the template.
        ranking: the folds, and who may see what.
        compute: streams, threads and where to report.

    Raises:
        TrainingError: where a training diverges twice.
    """
    if how == AS_IT_IS:
        return fitted
    settings, distributions = nets.conditional_cdf.SplineSettings(), []
    for fold in range(ranking.kfold.folds):
        events = _background(how, seen, template, ranking, fold)
        own = compute.child(f"fold/{fold}")
        scores = fitted.score(events, np.full(len(events), fold))
        held_out = hash_uniform(events.source_id, own.streams.integer("validation")) < VALIDATION_FRACTION
        with densities.session(own) as generator:
            try:
                found = nets.conditional_cdf.ConditionalCdf.fit(scores, log_mass(events), held_out, settings, generator)
            except nets.training.Diverged:
                raise TrainingError(
                    "classify: the distribution of the score given mjj diverged twice; use --set score.decorrelate=none"
                ) from None
        distributions.append(found)
        compute.progress(Step("classify: decorrelation", fold + 1, ranking.kfold.folds))
    return Decorrelated(fitted, distributions)


def load_decorrelated(inner: FittedScore, arrays: Arrays) -> Decorrelated:
    """Rebuild what `Decorrelated.to_arrays` returned, the score itself apart."""
    settings = nets.conditional_cdf.SplineSettings()
    n_folds = len({name.partition(".")[0] for name in arrays if name.startswith("cdf")})
    read = nets.conditional_cdf.ConditionalCdf.from_arrays
    return Decorrelated(inner, [read(arrays, f"cdf{fold}", settings) for fold in range(n_folds)])


def inner_arrays(arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of the score that was decorrelated."""
    return under("inner:", arrays)


def _background(how: str, seen: Seen, template: Template, ranking: Ranking, fold: int) -> Events:
    """Return the background events that a fold's distribution may be made of."""
    crossfit = ranking.crossfit
    if how == OF_TEMPLATE:
        return template.events.take(training_template(template, ranking, fold))
    sides = crossfit.part_of(seen, crossfit.trained_divisions(fold)).side_bands
    return sides.take(crossfit.side_band_fold(sides.source_id) != fold)

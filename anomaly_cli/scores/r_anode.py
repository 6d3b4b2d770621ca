"""R-ANODE, in its manner: a signal density and its fraction, learnt beside a background density that stays as it is.

p(z | mjj) = (1 - w) p_background(z | mjj) + w p_signal(z) is fitted to observed signal-region events, z the scaled
features. The paper's signal density is a flow; here it is a Gaussian component, of which hundreds of starts cost
seconds, so that whether anything was found is told by the likelihood of events left out and not by the start. Masses
enter by the background alone, so that no cut shapes a peak in mjj.

References:
    R. Das, G. Kasieczka, D. Shih, "Residual ANODE", 2023, arXiv:2312.11629, eqs. 4 to 6.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Need, Seen
from anomaly_cli.core.template import Template
from anomaly_cli.core.workers import in_order
from anomaly_cli.nets import mixtures
from anomaly_cli.scores.backgrounds import (
    LOWEST,
    Background,
    Backgrounds,
    BackgroundSettings,
    each_fold,
    mean_log_density,
    training_events,
)
from anomaly_cli.scores.base import Diagnostic, FittedScore, Ranking, Score


@dataclass(frozen=True)
class RAnode(BackgroundSettings, Score):
    """Settings of R-ANODE: those of its backgrounds, and of the search for a signal.

    Attributes:
        starts: events at which a signal is tried.
        modes: different signals that are kept, and weighted by what they gain on events left out.
        splits: parts of the events, each left out in turn.
        prior_events: how many events of `prior_width` a component's covariance starts from.
        prior_width: width of a component before it has seen an event, in standard deviations.
    """

    name: ClassVar[str] = "r_anode"
    summary: ClassVar[str] = "a signal density and its fraction, learnt beside a fixed background density"
    reference: ClassVar[str] = "arXiv:2312.11629"

    starts: int = mixtures.Search.starts
    modes: int = mixtures.Search.modes
    splits: int = mixtures.Search.splits
    prior_events: float = mixtures.Prior.events
    prior_width: float = mixtures.Prior.width

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.starts, self.modes) < 1 or self.splits < 2 or min(self.prior_events, self.prior_width) <= 0.0:
            raise ConfigError(
                f"score {self.name}: needs starts and modes of 1 or more, 2 splits or more, and prior_events and"
                " prior_width above 0"
            )

    @property
    def search(self) -> mixtures.Search:
        """How a signal is looked for."""
        prior = mixtures.Prior(self.prior_events, self.prior_width)
        return mixtures.Search(starts=self.starts, modes=self.modes, splits=self.splits, prior=prior)

    def fit(self, seen: Seen, template: Template, ranking: Ranking, compute: Compute) -> FittedResidual:
        """Fit backgrounds to the side-bands, and a signal to the observed events of the other folds.

        Raises:
            PhysicsError: where there are too few events.
            TrainingError: where a training diverges twice.
        """
        observed = seen.need(Need.SR_FEATURES)
        backgrounds = self.fit_backgrounds(seen, ranking, compute)
        return FittedResidual(backgrounds, self.find_signals(backgrounds, observed, ranking, compute))

    def find_signals(
        self, backgrounds: Backgrounds, observed: Events, ranking: Ranking, compute: Compute
    ) -> list[Signal]:
        """Return what is found beside the background of each fold, in the observed events that may train it.

        They are the same for any number of processes.

        Raises:
            PhysicsError: where there are too few events.
        """
        folds = range(ranking.kfold.folds)
        pieces = (
            (*_placed(backgrounds.of(fold), training_events(ranking, observed, fold, self.name)), self.search, own)
            for fold, own in ((fold, compute.alone().child(f"signal/{fold}")) for fold in folds)
        )
        signals: list[Signal] = []
        compute.progress(Step("classify: signal density", 0, len(folds)))
        with contextlib.closing(in_order(_find_signal, pieces, min(compute.processes, len(folds)))) as found:
            for signal in found:
                signals.append(signal)
                compute.progress(Step("classify: signal density", len(signals), len(folds)))
        return signals

    def load(self, arrays: Arrays, ranking: Ranking) -> FittedResidual:
        """Rebuild backgrounds and signals."""
        signals: list[Signal] = []
        while f"signal{len(signals)}.weight" in arrays:
            own = under(f"signal{len(signals)}.", arrays)
            parts = [own[name] for name in ("fraction", "share", "mean", "covariance")]
            signals.append(Signal(mixtures.Mixtures(*parts), own["gain"], own["weight"], own["of_flow"]))
        return FittedResidual(self.load_backgrounds(arrays), signals)


@dataclass(frozen=True)
class Signal:
    """What was found beside a background.

    Attributes:
        modes: components without every part of the events in turn, `splits * modes` of them.
        gain: log-likelihood that each gains over background alone on the part that it has not seen `(splits, modes)`.
        weight: of each mode `(modes,)`.
        of_flow: fraction of the best mode beside each flow of the background alone `(flows,)`.
    """

    modes: mixtures.Mixtures
    gain: FloatArray
    weight: FloatArray
    of_flow: FloatArray

    @property
    def fraction(self) -> FloatArray:
        """Signal fraction of every mode without every part `(splits, modes)`."""
        return self.modes.fraction.reshape(self.gain.shape)

    @property
    def best(self) -> int:
        """The mode that gains most."""
        return int(self.gain.sum(axis=0).argmax())

    def score(self, z: FloatArray, log_background: FloatArray) -> FloatArray:
        """Return log(sum of weight w p_signal / p_background) of events `(n,)`."""
        kept = np.flatnonzero(np.tile(self.weight, len(self.gain)))
        modes = self.modes.take(kept)
        share = np.log(np.tile(self.weight, len(self.gain))[kept] * modes.fraction / len(self.gain))
        ratio: FloatArray = np.logaddexp.reduce(modes.log_density(z) + share, axis=1) - log_background
        return np.maximum(ratio, LOWEST)


def _placed(background: Background, events: Events) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scaled features, and log densities of the background, of all of it and by flow."""
    by_flow = background.log_densities(events)
    return background.scale(events), mean_log_density(by_flow), by_flow


def _find_signal(
    z: FloatArray, log_background: FloatArray, by_flow: FloatArray, search: mixtures.Search, compute: Compute
) -> Signal:
    found = mixtures.find_modes(z, log_background, search, compute.streams.generator())
    best = found.mixtures.take(np.array([found.gain.sum(axis=0).argmax()]))
    ones = np.ones((len(z), 1))
    again = [
        mixtures.maximise(best, z, by_flow[:, flow], ones, search.prior, mixtures.LONG).fraction[0]
        for flow in range(by_flow.shape[1])
    ]
    return Signal(found.mixtures, found.gain, found.weight, np.array(again))


@dataclass(frozen=True)
class FittedResidual(FittedScore):
    """Backgrounds, and the signal of each fold.

    Attributes:
        backgrounds: of all folds.
        signals: of each fold.
    """

    backgrounds: Backgrounds
    signals: Sequence[Signal]

    def score(self, events: Events, fold: IntArray) -> FloatArray:
        """Return the logarithm of signal over background of each event, averaged over modes and splits."""
        scores = np.zeros(len(events))
        for index, inside, own in each_fold(fold, events):
            background = self.backgrounds.of(index)
            scores[inside] = self.signals[index].score(background.scale(own), background.log_density(own))
        return scores

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """The signal fraction and how it scatters, and what a signal gains; no measurement of a yield."""
        best = np.array([one.fraction[:, one.best] for one in self.signals])
        starts = [one.fraction.mean(axis=0)[one.weight > 0.0] for one in self.signals]
        gains = np.array([one.gain.sum(axis=0).max() for one in self.signals])
        return (
            Diagnostic("w", float(best.mean()), float(best.mean(axis=1).std()), "signal fraction; spread over folds"),
            Diagnostic("w, splits", float(best.mean()), float(best.std(axis=1).mean()), "spread over splits"),
            Diagnostic(
                "w, starts",
                float(np.mean([one.mean() for one in starts])),
                float(np.mean([one.std() for one in starts])),
                "modes from other starts that gain more than half as much; spread over them",
            ),
            Diagnostic(
                "w, backgrounds",
                float(np.mean([one.of_flow.mean() for one in self.signals])),
                float(np.mean([one.of_flow.std() for one in self.signals])),
                "spread over background models",
            ),
            Diagnostic(
                "gain", float(gains.mean()), float(gains.std()), "log-likelihood over background alone, events left out"
            ),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of backgrounds and signals."""
        arrays = self.backgrounds.to_arrays()
        for index, one in enumerate(self.signals):
            own = {**vars(one.modes), "gain": one.gain, "weight": one.weight, "of_flow": one.of_flow}
            arrays |= {f"signal{index}.{name}": array for name, array in own.items()}
        return arrays

"""What density scores share: background densities of the side-bands, one for each set of folds that may see them.

A fold is ranked with a density of those side-band events whose template trains it, and never of those behind its
expectation: otherwise a fluctuation of the side-bands would move score and expectation at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli import nets
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.crossfit import Folds
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.core.events import Events
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Seen
from anomaly_cli.core.template import Template
from anomaly_cli.core.workers import in_order
from anomaly_cli.methods import densities
from anomaly_cli.nets.scaling import MassScaler
from anomaly_cli.scores.base import Ranking

FEWEST = 200
"""With fewer observed events that train a fold no density is learnt."""
LOWEST = -60.0
"""Log densities are held above this: a far event has no finite ratio of two densities that vanish."""


def mean_log_density(by_flow: FloatArray) -> FloatArray:
    """Return the logarithm of the mean of densities `(n,)`, from theirs by flow `(n, flows)`."""
    found: FloatArray = np.logaddexp.reduce(by_flow, axis=1) - np.log(by_flow.shape[1])
    return np.maximum(found, LOWEST)


@dataclass(frozen=True)
class Background:
    """The density p(z | mjj) of scaled features: the mean of those of several flows, in the scaling of all of them.

    Attributes:
        scaler: the scaling.
        flows: trained alike, but for their random streams.
    """

    scaler: MassScaler
    flows: Sequence[Any]

    def scale(self, events: Events) -> FloatArray:
        """Return scaled features z `(n, d)`."""
        return self.scaler.transform(events.mjj, events.features)[0]

    def log_densities(self, events: Events) -> FloatArray:
        """Return log p(z | mjj) of every event by every flow `(n, flows)`."""
        return np.stack([_in_batches(flow, self._inputs(events), _log_density)[:, 0] for flow in self.flows], axis=1)

    def log_density(self, events: Events) -> FloatArray:
        """Return log p(z | mjj) of every event `(n,)`."""
        return mean_log_density(self.log_densities(events))

    def latent(self, events: Events) -> FloatArray:
        """Return the latent variables of the first flow `(n, d)`: standard normal for background of any mass."""
        return _in_batches(self.flows[0], self._inputs(events), _latent)

    def _inputs(self, events: Events) -> tuple[FloatArray, FloatArray]:
        return self.scale(events), self.scaler.mass(events.mjj)[:, None]


def _in_batches(flow: Any, inputs: tuple[FloatArray, FloatArray], function: Any) -> FloatArray:
    """Return what a function of flow, features and masses makes of every event; each stands alone.

    Matrix products round by the size of the batch, so the last one is filled up to it.
    """
    z, mass = inputs
    parts = []
    with nets.torch.no_grad():
        for part in densities.in_batches(len(z)):
            index = np.resize(np.arange(part.start, part.stop), densities.BATCH)
            tensors = [nets.weights.to_tensor(array[index]) for array in (z, mass)]
            parts.append(nets.weights.to_array(function(flow, *tensors))[: part.stop - part.start])
    return np.concatenate([*parts, np.zeros((0, parts[0].shape[1] if parts else z.shape[1]))])


def _log_density(flow: Any, z: Any, mass: Any) -> Any:
    return -nets.flows.negative_log_density(flow, z, mass)[:, None]


def _latent(flow: Any, z: Any, mass: Any) -> Any:
    return nets.flows.condition_on(flow, mass).transform(z)


@dataclass(frozen=True)
class Backgrounds:
    """The backgrounds of all folds.

    Attributes:
        distinct: the different ones.
        of_fold: which of them each fold has.
    """

    distinct: Sequence[Background]
    of_fold: Sequence[int]

    def of(self, fold: int) -> Background:
        """Return the background of a fold."""
        return self.distinct[self.of_fold[fold]]

    def folds(self, index: int) -> list[int]:
        """Return the folds that have one of the different backgrounds."""
        return [fold for fold, other in enumerate(self.of_fold) if other == index]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return scalings and weights under prefixed names."""
        arrays: dict[str, npt.NDArray[Any]] = {"background.of_fold": np.array(self.of_fold, dtype=np.int64)}
        for index, one in enumerate(self.distinct):
            arrays |= densities.scaler_arrays(one.scaler, f"background{index}.scaling")
            for number, flow in enumerate(one.flows):
                arrays |= nets.weights.module_arrays(f"background{index}.flow{number}", flow)
        return arrays


@dataclass(frozen=True)
class BackgroundSettings(densities.DensitySettings):
    """Settings of the background densities of a score; those of each flow are the ones of the method `cathode`.

    Attributes:
        flows: flows whose densities are averaged.
    """

    name: ClassVar[str]

    flows: int = 2

    def __post_init__(self) -> None:
        self.check_density(self.name, "score")
        if self.flows < 1:
            raise ConfigError(f"score {self.name}: needs flows of 1 or more")

    def fit_backgrounds(self, seen: Seen, ranking: Ranking, compute: Compute) -> Backgrounds:
        """Fit the backgrounds of all folds to the side-bands; they are the same for any number of processes.

        A fold's background sees the divisions that may train it; where the template is of one part, the side-bands
        without the fold.

        Args:
            seen: the side-bands.
            ranking: the folds, and who may see what.
            compute: streams, processes, threads, device and where to report.

        Raises:
            TrainingError: where a training diverges twice.
        """
        divisions = [_seen_by(ranking, fold) for fold in range(ranking.kfold.folds)]
        different = list(dict.fromkeys(divisions))
        work = _Work(self, seen, ranking, compute.alone())
        jobs = [(index, one, flow) for index, one in enumerate(different) for flow in range(self.flows)]
        pieces: list[dict[str, npt.NDArray[Any]]] = []
        compute.progress(Step("classify: background densities", 0, len(jobs)))
        with contextlib.closing(in_order(_fit, ((work, job) for job in jobs), compute.processes)) as fitted:
            for done, arrays in enumerate(fitted):
                pieces.append(arrays)
                compute.progress(Step("classify: background densities", done + 1, len(jobs), ""))
        arrays = {key: array for piece in pieces for key, array in piece.items()}
        arrays["background.of_fold"] = np.array([different.index(one) for one in divisions], dtype=np.int64)
        return self.load_backgrounds(arrays)

    def load_backgrounds(self, arrays: Arrays) -> Backgrounds:
        """Rebuild what `Backgrounds.to_arrays` returned."""
        of_fold = [int(index) for index in arrays["background.of_fold"]]
        distinct = []
        for index in range(max(of_fold) + 1):
            scaler = densities.load_scaler(arrays, f"background{index}.scaling")
            flows = [self.make_base(len(scaler.low)) for _ in range(self.flows)]
            for number, flow in enumerate(flows):
                nets.weights.load_module(flow, arrays, f"background{index}.flow{number}")
            distinct.append(Background(scaler, flows))
        return Backgrounds(distinct, of_fold)


@dataclass(frozen=True)
class _Work:
    """What every training of the backgrounds of one score shares."""

    settings: BackgroundSettings
    seen: Seen
    ranking: Ranking
    compute: Compute


def _seen_by(ranking: Ranking, fold: int) -> tuple[Folds, int]:
    """Return the divisions that a fold's background sees; -1, or where there are none the fold that it must not see."""
    divisions = ranking.crossfit.trained_divisions(fold)
    return divisions, -1 if divisions is not None else fold


def _fit(work: _Work, job: tuple[int, tuple[Folds, int], int]) -> dict[str, npt.NDArray[Any]]:
    """Fit the scaling of some divisions, and train one flow."""
    (index, (divisions, without), number), settings = job, work.settings
    seen = work.ranking.crossfit.part_of(work.seen, divisions)
    if divisions is None:
        seen = seen.only(lambda source_id: work.ranking.crossfit.side_band_fold(source_id) != without)
    own = work.compute.child(f"background/{index}")
    scaler = settings.fit_scaler([seen.sb1, seen.sb2], own)
    with densities.session(own, f"flow/{number}") as generator:
        data = densities.ScaledEvents.make(scaler, seen.side_bands, seen.is_validation, own.device)
        flow = settings.make_base(len(seen.sb1.names)).to(own.device)
        trainer = densities.Trainer(settings.name, own, "classify", "scores")
        settings.train_base(flow, data, trainer, generator)
    arrays = nets.weights.module_arrays(f"background{index}.flow{number}", flow)
    return densities.scaler_arrays(scaler, f"background{index}.scaling") | arrays


def each_fold(fold: IntArray, events: Events) -> Iterator[tuple[int, IntArray, Events]]:
    """Yield every fold that holds events, which ones `(k,)`, and these."""
    for index in np.unique(fold):
        inside = np.flatnonzero(fold == index)
        yield int(index), inside, events.take(inside)


def training_events(ranking: Ranking, observed: Events, fold: int, score: str) -> Events:
    """Return the observed events that may train what ranks a fold; `score` is named where there are too few.

    Raises:
        PhysicsError: where they are too few for a density.
    """
    own = ranking.crossfit.fold(observed.source_id)
    found = observed.take(ranking.crossfit.observed_trains(own)[:, fold])
    if len(found) < FEWEST:
        raise PhysicsError(
            f"score {score}: {len(found)} observed events train fold {fold}, at least {FEWEST} are needed;"
            " widen the signal region or use fewer folds"
        )
    return found


def training_template(template: Template, ranking: Ranking, fold: int) -> npt.NDArray[np.bool_]:
    """Return which template events may train a fold `(n,)`."""
    is_other: npt.NDArray[np.bool_] = template.fold(ranking.crossfit) != fold
    return is_other & template.trains(ranking.kfold.folds)[:, fold]

"""Ensembles of small perceptrons, the members of a fold trained side by side.

References:
    D. Sengupta et al., "CURTAINs flows for flows: constructing unobserved regions with maximum likelihood estimation",
    2023, arXiv:2305.04646.
    D. Sengupta et al., "Improving new physics searches with diffusion models for event observables and jet
    constituents", 2023, arXiv:2312.10130.
    A. Hallin et al., "Classifying anomalies through outer density estimation (CATHODE)", 2021, arXiv:2109.00546.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from anomaly_cli import nets
from anomaly_cli.classifiers.base import (
    Classifier,
    Draws,
    FittedClassifier,
    Labelled,
    Preparation,
    check_fraction,
    draw_features,
)
from anomaly_cli.core.arrays import Arrays, FloatArray
from anomaly_cli.core.blocks import Block
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError, TrainingError
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset

if TYPE_CHECKING:
    from anomaly_cli.nets.committee import Layers, Lessons, Recipe

BLOCK = 4096
"""Events that are scored at once; the last block is filled up, so that no score depends on how many there are."""
DRAPES: Mapping[str, Any] = {
    "hidden": (32, 32, 32),
    "ensemble": 50,
    "learning_rate": 1e-3,
    "weight_decay": 0.1,
    "batch_size": 128,
    "epochs": 20,
    "patience": 5,
    "best_epochs": 1,
}
_ROTHEN = "arXiv:2411.09296"
ROBUST = {
    "sam": Preset({"sharpness_radius": 0.05}, "sharpness-aware training", _ROTHEN, ("sharpness_radius",)),
    "scaled_sam": Preset(
        {"sharpness_radius": 0.5, "sharpness_scaled": True},
        "sharpness-aware training, weights moved in proportion to their size",
        "arXiv:2102.11600",
    ),
    "fgsm": Preset({"attack": 0.1}, "features shifted by the sign of the gradient", _ROTHEN, ("attack",)),
    "pgd": Preset(
        {"attack": 0.1, "attack_steps": 5},
        "features shifted by five projected steps uphill",
        _ROTHEN,
        ("attack", "attack_steps"),
    ),
}
"""Trainings in the manner of arXiv:2411.09296; how far they move weights and features there is not known."""


@dataclass(frozen=True)
class Inputs(Block):
    """The standardised features `(n, d)`, which is all that networks look at."""

    kind: ClassVar[str] = "inputs"

    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: npt.NDArray[np.int64]) -> Inputs:
        """Return the rows at indices `(k,)`."""
        return Inputs(self.values[index])

    @classmethod
    def join(cls, parts: Sequence[Inputs]) -> Inputs:
        """Return all rows, in order."""
        return Inputs(np.concatenate([part.values for part in parts]))

    def to_arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return the values."""
        return {"values": self.values}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Inputs:
        """Rebuild what `to_arrays` returned."""
        return Inputs(np.asarray(arrays["values"], dtype=np.float64))


def inputs_of(events: Events) -> FloatArray:
    """Return the standardised features of prepared events `(n, d)`."""
    block = events.blocks[Inputs.kind]
    if not isinstance(block, Inputs):
        raise TypeError(f"{Inputs.kind} is a block of another kind: {type(block).__name__}")
    return block.values


@dataclass(frozen=True)
class Standardisation(Preparation):
    """Mean and standard deviation of each feature over all events of both classes `(d,)` each."""

    center: FloatArray
    width: FloatArray

    @staticmethod
    def fit(events: Events) -> Standardisation:
        """Measure them; a feature that is constant is left where it is."""
        width = events.features.std(axis=0)
        return Standardisation(events.features.mean(axis=0), np.where(width > 0.0, width, 1.0))

    def apply(self, events: Events) -> Events:
        """Return the events with a block of standardised features."""
        return events.with_block(Inputs.kind, Inputs((events.features - self.center) / self.width))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return both."""
        return {"center": self.center, "width": self.width}


@dataclass(frozen=True)
class MLP(Classifier):
    """Settings of an ensemble of perceptrons with ReLU.

    Class and event weights multiply the cross-entropy; AdamW, the learning rate falling as a cosine to 0 over all
    epochs; a member ends early where its stopping events do not get better any more.

    Attributes:
        hidden: widths of the hidden layers.
        epochs: epochs at most.
        batch_size: events per step.
        learning_rate: at the start.
        weight_decay: of AdamW.
        patience: epochs without a better loss of the stopping events before a member ends.
        best_epochs: states of a member whose log-odds are averaged, those of the best losses.
        feature_fraction: part of the features that each member sees, drawn for each (attribute bagging).
        sharpness_radius: distance at which the weights are the worst ones near by, whose loss a step lowers (SAM); 0
            for a plain training.
        sharpness_scaled: whether weights move in proportion to their size, the distance being relative to them.
        attack: most that a standardised feature is shifted against the training; 0 for none.
        attack_steps: of the search for the worst shift; 1 is the sign of the gradient (FGSM), more start at random
            (PGD).
    """

    name: ClassVar[str] = "mlp"
    summary: ClassVar[str] = "perceptrons on standardised features, trained side by side"
    reference: ClassVar[str] = "arXiv:2312.10130"
    trains_side_by_side: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Preset]] = {
        "drapes": Preset(
            DRAPES,
            "50 models of 3 x 32, as for Drapes",
            "arXiv:2312.10130",
            unpublished=("epochs", "patience", "best_epochs"),
        ),
        "curtains": Preset(
            {**DRAPES, "hidden": (64, 64, 64)},
            "50 models of 3 x 64, as for CURTAINs",
            "arXiv:2305.04646",
            unpublished=("epochs", "patience", "best_epochs"),
        ),
        "cathode": Preset(
            {
                **{"hidden": (64, 64, 64), "ensemble": 1, "epochs": 100, "patience": 100, "best_epochs": 10},
                **{"learning_rate": 1e-3, "weight_decay": 0.0, "batch_size": 128},
            },
            "3 x 64, the ten best of 100 epochs averaged, as for CATHODE (there without the cosine)",
            "arXiv:2109.00546",
        ),
        "bagged": Preset({"feature_fraction": 0.5}, "half of the features per model, for many features"),
        **ROBUST,
    }

    ensemble: int = 10
    hidden: tuple[int, ...] = (64, 64, 64)
    epochs: int = 20
    batch_size: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    patience: int = 10
    best_epochs: int = 10
    feature_fraction: float = 1.0
    sharpness_radius: float = 0.0
    sharpness_scaled: bool = False
    attack: float = 0.0
    attack_steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.epochs, self.batch_size, self.patience, self.best_epochs, *self.hidden)
        if not self.hidden or min(counts) < 1 or self.learning_rate <= 0.0 or self.weight_decay < 0.0:
            raise ConfigError(
                "classifier mlp: needs hidden, epochs, batch_size, patience and best_epochs >= 1, learning_rate > 0"
                " and weight_decay >= 0"
            )
        check_fraction(self.name, self.feature_fraction)
        if not (0.0 <= self.sharpness_radius < math.inf and 0.0 <= self.attack < math.inf and self.attack_steps >= 1):
            raise ConfigError("classifier mlp: needs sharpness_radius and attack >= 0, and attack_steps >= 1")

    def prepare(self, events: Events, compute: Compute) -> Standardisation:
        """Standardise the features."""
        return Standardisation.fit(events)

    def load_preparation(self, arrays: Arrays) -> Standardisation:
        """Rebuild the standardisation."""
        return Standardisation(arrays["center"], arrays["width"])

    def fit(self, training: Labelled, stopping: Labelled, compute: Compute) -> FittedMLP:
        """Train one model."""
        return self.fit_members(Draws.of(training, stopping), [compute])[0]

    def fit_members(self, draws: Draws, computes: Sequence[Compute]) -> list[FittedMLP]:
        """Train all models of a fold side by side.

        Raises:
            TrainingError: where a training diverges.
        """
        compute = computes[0]
        with nets.training.seeded(compute.streams.integer("torch"), compute.threads, compute.device):
            try:
                trained = nets.committee.train_committee(self._lessons(draws, computes), self._recipe())
            except nets.training.Diverged as error:
                raise TrainingError(
                    "classifier mlp: a training diverged; lower its learning rate (--set"
                    " classifiers.mlp.learning_rate=0.0003),"
                    " and look for features with a few huge values"
                ) from error
        return [FittedMLP.of(layers) for layers in trained]

    def _lessons(self, draws: Draws, computes: Sequence[Compute]) -> Lessons:
        inputs, device = inputs_of(draws.pool.events), computes[0].device
        uses = np.stack([draw_features(inputs.shape[1], self.feature_fraction, one.streams) for one in computes])
        # a weight is on the scale of the mean of its training events
        means = [weight[~stops].mean() for weight, stops in zip(draws.weight, draws.is_stopping, strict=True)]
        return nets.committee.Lessons(
            nets.weights.to_tensor(inputs, device),
            nets.weights.to_tensor(draws.pool.is_positive, device),
            nets.weights.to_tensor(draws.weight / np.array(means)[:, None], device),
            nets.torch.from_numpy(draws.is_stopping).to(device),
            nets.weights.to_tensor(uses, device),
            [one.streams.integer("network") for one in computes],
        )

    def _recipe(self) -> Recipe:
        names = ("hidden", "epochs", "batch_size", "learning_rate", "weight_decay", "patience", "best_epochs")
        hard = ("sharpness_radius", "sharpness_scaled", "attack", "attack_steps")
        return nets.committee.Recipe(
            **{name: getattr(self, name) for name in names},
            robustness=nets.robust.Robustness(**{name: getattr(self, name) for name in hard}),
        )

    def load(self, arrays: Arrays) -> FittedMLP:
        """Rebuild a trained model."""
        return FittedMLP.from_arrays(arrays)


@dataclass(frozen=True)
class FittedMLP(FittedClassifier):
    """The trained states of one model.

    Attributes:
        widths: inputs, hidden layers and the one output `(l + 1,)`.
        weights: of each layer `(k, i, o)`, for k states.
        biases: of each layer `(k, o)`.
    """

    widths: npt.NDArray[np.int64]
    weights: Sequence[npt.NDArray[np.float32]]
    biases: Sequence[npt.NDArray[np.float32]]

    @staticmethod
    def of(layers: Layers) -> FittedMLP:
        """Take trained layers out of torch."""
        weights, biases = ([one.cpu().numpy() for one in parts] for parts in zip(*layers, strict=True))
        widths = [weights[0].shape[1], *(weight.shape[2] for weight in weights)]
        return FittedMLP(np.array(widths, dtype=np.int64), weights, [bias[:, 0, :] for bias in biases])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return widths and one flat array of all states."""
        flat = np.concatenate([part.ravel() for pair in zip(self.weights, self.biases, strict=True) for part in pair])
        return {"widths": self.widths, "states": np.array([len(self.weights[0])]), "flat": flat}

    @staticmethod
    def from_arrays(arrays: Arrays) -> FittedMLP:
        """Rebuild what `to_arrays` returned."""
        widths, flat, n = np.asarray(arrays["widths"]), np.asarray(arrays["flat"]), int(arrays["states"][0])
        weights: list[npt.NDArray[np.float32]] = []
        biases: list[npt.NDArray[np.float32]] = []
        first = 0
        for before, after in zip(widths[:-1].tolist(), widths[1:].tolist(), strict=True):
            for shape, into in (((n, before, after), weights), ((n, after), biases)):
                last = first + int(np.prod(shape))
                into.append(flat[first:last].reshape(shape))
                first = last
        return FittedMLP(widths, weights, biases)

    def log_odds(self, events: Events) -> FloatArray:
        """Return the mean log-odds of the states `(n,)`."""
        total = np.zeros(len(events))
        with threadpool_limits(limits=1, user_api="blas"):  # small products, not worth a second thread
            for place, x in _blocks(inputs_of(events)):
                total[place] = self._forward(x)[: len(total[place])]
        return total

    def _forward(self, x: FloatArray) -> FloatArray:
        """Return the log-odds of one block `(b, d)` in double precision `(b,)`."""
        mean = np.zeros(len(x))
        for state in range(len(self.weights[0])):
            y = x
            for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                y = (y if index == 0 else np.maximum(y, 0.0)) @ weight[state].astype(np.float64) + bias[state]
            mean += y[:, 0]
        return mean / len(self.weights[0])


def _blocks(inputs: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the events block by block, the last one filled up with zeros."""
    for first in range(0, len(inputs), BLOCK):
        part = inputs[first : first + BLOCK]
        if len(part) < BLOCK:
            part = np.concatenate([part, np.zeros((BLOCK - len(part), inputs.shape[1]))])
        yield slice(first, first + BLOCK), part

"""How sharp the minimum is that a trained network lies in, on given events.

References:
    F. Rothen et al., "Enhancing generalization in high energy physics using white-box adversarial attacks", 2024,
    arXiv:2411.09296.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomaly_cli import nets
from anomaly_cli.classifiers.base import Labelled
from anomaly_cli.classifiers.kfold import balance
from anomaly_cli.classifiers.mlp import FittedMLP, inputs_of
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.streams import Streams

RADII = (0.01, 0.03, 0.1)
"""Distances from the minimum, relative to the length of all weights."""
N_STEPS = 10
"""Steps uphill at each distance."""
N_CURVATURES = 5
"""Eigenvalues of the Hessian that are kept, the largest ones."""
MOST_EVENTS = 20_000
"""The loss is the mean over so many events at most, drawn where there are more."""


@dataclass(frozen=True)
class Sharpness:
    """What the loss does around a minimum.

    Attributes:
        n_events: events that it is the mean of.
        loss: mean cross-entropy there, both classes having the same total weight.
        rises: largest rise of the loss found by gradient ascent within each of `RADII` `(r,)`.
        curvatures: largest eigenvalues of its second derivatives, the largest first `(k,)`.
    """

    n_events: int
    loss: float
    rises: FloatArray
    curvatures: FloatArray


def measure_sharpness(model: FittedMLP, labelled: Labelled, streams: Streams) -> Sharpness:
    """Measure the minimum that the best state of a network lies in, in double precision.

    Args:
        model: the network.
        labelled: prepared events, usually those that it was trained on.
        streams: which of too many events are used, and where the searches start.
    """
    order = streams.generator("events").permutation(len(labelled))[:MOST_EVENTS]
    used = Labelled(labelled.events.take(order), labelled.is_positive[order])
    loss, center = _Loss.on(used), _weights(model)
    radii = [radius * nets.sharpness.length(center) for radius in RADII]
    seed = streams.integer("start")
    rises = [nets.sharpness.rise_within(loss, center, radius, N_STEPS, seed) for radius in radii]
    curvatures = nets.sharpness.largest_curvatures(loss, center, N_CURVATURES, seed)
    return Sharpness(len(used), float(loss(center)), np.array(rises), curvatures)


def mean_loss(model: FittedMLP, labelled: Labelled) -> float:
    """Return the mean cross-entropy of the best state of a network, both classes having the same total weight."""
    return float(_Loss.on(labelled)(_weights(model)))


@dataclass(frozen=True)
class _Loss:
    """Mean cross-entropy of some events as a function of the parameters of one network."""

    inputs: nets.torch.Tensor
    target: nets.torch.Tensor
    weight: nets.torch.Tensor

    @staticmethod
    def on(labelled: Labelled) -> _Loss:
        """Return that of these events."""
        everywhere = np.ones(len(labelled), dtype=np.bool_)
        weight = balance(labelled.events.weight, labelled.is_positive, everywhere)
        columns = (inputs_of(labelled.events), labelled.is_positive.astype(np.float64), weight / weight.mean())
        return _Loss(*(nets.torch.from_numpy(np.ascontiguousarray(column)) for column in columns))

    def __call__(self, parameters: Sequence[nets.torch.Tensor]) -> nets.torch.Tensor:
        """Return it."""
        odds = nets.committee.forward(parameters, self.inputs)[0]
        loss: nets.torch.Tensor = nets.torch.nn.functional.binary_cross_entropy_with_logits(
            odds, self.target, weight=self.weight
        )
        return loss


def _weights(model: FittedMLP) -> list[nets.torch.Tensor]:
    """Return weights `(1, i, o)` and biases `(1, 1, o)` of the best state, layer by layer."""
    found = []
    for weight, bias in zip(model.weights, model.biases, strict=True):
        found += [weight[:1].astype(np.float64), bias[:1, None, :].astype(np.float64)]
    return [nets.torch.from_numpy(array) for array in found]

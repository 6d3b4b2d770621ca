"""Autoencoders, alone or against a network that tells what they return from what they were given.

References:
    M. Farina, Y. Nakai, D. Shih, "Searching for new physics with deep autoencoders", 2018, arXiv:1808.08992.
    L. Vaslin, V. Barra, J. Donini, "GAN-AE: An anomaly detection algorithm for New Physics search in LHC data", 2023,
    arXiv:2305.15179.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from anomaly_cli.nets import training, weights
from anomaly_cli.nets.perceptron import make_perceptron

FloatArray = npt.NDArray[np.float64]
MOST = 6.0
"""Standardised inputs are held within this."""
BATCH = 8192
"""Events that go through a network at once."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """What an autoencoder is and how it is trained.

    Attributes:
        hidden: width of the hidden layers of encoder, decoder and critic.
        bottleneck: numbers that an event is squeezed into.
        adversarial: how much being told from the input counts beside the squared difference; 0 for no critic.
        epochs: epochs at most; all of them where there is a critic, whose loss has no best.
    """

    hidden: int = 32
    bottleneck: int = 2
    adversarial: float = 0.0
    epochs: int = 20


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round: what follows is trained one way, what precedes the other."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Autoencoder(nn.Module):
    """Encoder and decoder, and perhaps a critic."""

    def __init__(self, n_features: int, settings: AutoencoderSettings) -> None:
        super().__init__()
        width, narrow = settings.hidden, settings.bottleneck
        layers: Sequence[nn.Module] = (
            *(nn.Linear(n_features, width), nn.SiLU(), nn.Linear(width, narrow)),
            *(nn.Linear(narrow, width), nn.SiLU(), nn.Linear(width, n_features)),
        )
        self.autoencoder = nn.Sequential(*layers)
        self.critic = make_perceptron(n_features, (width, width)) if settings.adversarial else None
        self.adversarial = settings.adversarial

    def error(self, x: Tensor) -> Tensor:
        """Return the mean squared difference between each event and what is returned for it `(n,)`."""
        error: Tensor = (self.autoencoder(x) - x).pow(2).mean(dim=1)
        return error

    def loss(self, x: Tensor) -> Tensor:
        """Return what is minimised, of each event `(n,)`: the critic against the rest of the network."""
        returned = self.autoencoder(x)
        error: Tensor = (returned - x).pow(2).mean(dim=1)
        if self.critic is None:
            return error
        reversed_ = _Reversed.apply(returned)  # type: ignore[no-untyped-call]
        told: Tensor = softplus(self.critic(reversed_))[:, 0] + softplus(-self.critic(x))[:, 0]
        return error + self.adversarial * told


@dataclass(frozen=True)
class FittedAutoencoder:
    """A trained autoencoder of standardised features.

    Attributes:
        center: mean of each feature `(d,)`.
        scale: standard deviation of each `(d,)`.
        network: the network.
    """

    center: FloatArray
    scale: FloatArray
    network: Autoencoder

    @staticmethod
    def fit(
        features: FloatArray,
        is_validation: npt.NDArray[np.bool_],
        settings: AutoencoderSettings,
        generator: torch.Generator,
    ) -> FittedAutoencoder:
        """Train on features `(n, d)`; some of the events say when to stop.

        Raises:
            Diverged: where the training diverges twice.
        """
        center, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
        fitted = FittedAutoencoder(center, scale, Autoencoder(features.shape[1], settings))
        x = fitted.standardise(features)
        trained, validation = (torch.from_numpy(np.flatnonzero(mask)) for mask in (~is_validation, is_validation))
        task = training.Task(fitted.network, lambda batch, _: fitted.network.loss(x[batch]), trained, validation)
        schedule = training.Schedule(settings.epochs, 512, 3e-3, settings.epochs, keeps_last=settings.adversarial > 0.0)
        training.train(task, schedule, generator, lambda *_: None)
        return fitted

    def standardise(self, features: FloatArray) -> Tensor:
        """Return standardised features as a tensor."""
        return weights.to_tensor(np.clip((features - self.center) / self.scale, -MOST, MOST))

    def error(self, features: FloatArray) -> FloatArray:
        """Return the logarithm of the mean squared difference of each event `(n,)`, whatever the others are."""
        x, found = self.standardise(features), np.empty(len(features))
        with torch.no_grad():
            for start in range(0, len(x), BATCH):
                stop = min(start + BATCH, len(x))
                index = torch.from_numpy(np.resize(np.arange(start, stop), BATCH))  # of one size: all round alike
                found[start:stop] = self.network.error(x[index])[: stop - start].double().numpy()
        return np.log(np.maximum(found, 1e-12))

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return everything as arrays under prefixed names."""
        arrays = {f"{prefix}.center": self.center, f"{prefix}.scale": self.scale}
        return arrays | weights.module_arrays(f"{prefix}.network", self.network)

    @staticmethod
    def from_arrays(arrays: dict[str, Any], prefix: str, settings: AutoencoderSettings) -> FittedAutoencoder:
        """Rebuild what `to_arrays` returned."""
        center, scale = arrays[f"{prefix}.center"], arrays[f"{prefix}.scale"]
        network = Autoencoder(len(center), settings)
        weights.load_module(network, arrays, f"{prefix}.network")
        return FittedAutoencoder(center, scale, network)

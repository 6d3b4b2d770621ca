"""GAN-AE, in its manner: an autoencoder trained against a critic that tells what it returns from what it was given.

The paper trains the two in turn, with its own schedule; here one loss trains both at once, by a gradient that is turned
round between them. The error of the autoencoder ranks.

References:
    L. Vaslin, V. Barra, J. Donini, "GAN-AE: An anomaly detection algorithm for New Physics search in LHC data", 2023,
    arXiv:2305.15179.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from anomaly_cli import nets
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.scores.autoencoder import Unsupervised

if TYPE_CHECKING:
    from anomaly_cli.nets.autoencoder import AutoencoderSettings


@dataclass(frozen=True)
class GanAe(Unsupervised):
    """Settings of GAN-AE.

    Attributes:
        adversarial: how much being told apart counts beside the squared difference.
    """

    name: ClassVar[str] = "gan_ae"
    summary: ClassVar[str] = "the error of an autoencoder trained against a critic (unsupervised)"
    reference: ClassVar[str] = "arXiv:2305.15179"

    adversarial: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adversarial <= 0.0:
            raise ConfigError(
                f"score {self.name}: needs adversarial above 0; without a critic it is --score autoencoder"
            )

    @property
    def network(self) -> AutoencoderSettings:
        """What is trained."""
        return nets.autoencoder.AutoencoderSettings(self.hidden, self.bottleneck, self.adversarial, self.epochs)

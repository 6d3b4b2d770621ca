"""RAD-OT: pairs of side-band events by optimal transport, and the straight line between them.

References:
    M. Leigh, D. Sengupta, B. Nachman, T. Golling, "Accelerating template generation in resonant anomaly
    detection searches with optimal transport", 2024, arXiv:2407.19818.
    R. Flamary et al., "POT: Python Optimal Transport", JMLR 22 (2021) 78.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.drawing import draw_sources
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.presets import Preset
from anomaly_cli.core.progress import Step
from anomaly_cli.core.seen import Seen
from anomaly_cli.methods.base import FittedTemplate, Request, Sample, TemplateMethod
from anomaly_cli.nets.atoms import Atoms, find_atoms

N_QUANTILES = 1001
"""Quantiles kept of each feature."""
NORMAL_RANGE = 4.0
"""The extreme values of a feature become this many standard deviations."""


@dataclass(frozen=True)
class RadOT(TemplateMethod):
    """Settings of RAD-OT.

    Features are replaced by their global quantiles, as normal variables; values that many events share are
    opened into intervals before (`nets/atoms.py`). Every pair holds one event of
    each side-band, and every event belongs to one pair at most, so that a pair's template events share
    nothing with those of another pair.

    Attributes:
        batch: events of each side-band that are paired at once. Sensible: 500 to 6000.
    """

    name: ClassVar[str] = "rad_ot"
    summary: ClassVar[str] = "straight lines between optimally paired events of the two side-bands"
    reference: ClassVar[str] = "arXiv:2407.19818"
    claims_closure: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Preset]] = {
        "published": Preset({"batch": 3000}, "as published, which the defaults are as well", "arXiv:2407.19818")
    }

    batch: int = 3000

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ConfigError(f"method {self.name}: batch must be 2 or more; the paper pairs 3000 events at once")

    def fit(self, seen: Seen, compute: Compute) -> FittedRadOT:
        """Pair the events of the two side-bands."""
        generator = compute.streams.generator("pairs")
        n_pairs = min(len(seen.sb1), len(seen.sb2))
        lower, upper = (generator.permutation(len(band))[:n_pairs] for band in (seen.sb1, seen.sb2))
        quantiles = GlobalQuantiles.fit(_open(seen.side_bands.features, _find_atoms(seen)))
        fitted = FittedRadOT(seen, quantiles, lower, upper)
        z1, z2 = fitted.z1, fitted.z2
        n_batches = -(-n_pairs // self.batch)
        for done, part in enumerate(np.array_split(np.arange(n_pairs), n_batches)):
            upper[part] = upper[part][_pair(z1[lower[part]], z2[upper[part]])]
            compute.progress(Step("template: optimal transport", done + 1, n_batches))
        return fitted

    @property
    def mixes_sources(self) -> bool:
        """True: an event is made from a pair."""
        return True

    def load(self, arrays: Arrays, seen: Seen) -> FittedRadOT:
        """Rebuild a fitted template from the arrays of its model artifact."""
        quantiles = GlobalQuantiles(arrays["quantiles"])
        return FittedRadOT(seen, quantiles, arrays["lower"], arrays["upper"])


@dataclass(frozen=True)
class GlobalQuantiles:
    """Features as normal variables by their quantiles, the same at every mass.

    Attributes:
        table: values of each feature at `N_QUANTILES` normal quantiles `(q, d)`.
    """

    table: FloatArray

    @staticmethod
    def fit(features: FloatArray) -> GlobalQuantiles:
        """Return the quantiles of features `(n, d)`."""
        levels = ndtr(_normal_grid(len(features)))
        levels[[0, -1]] = 0.0, 1.0
        return GlobalQuantiles(np.quantile(features, levels, axis=0))

    def to_normal(self, features: FloatArray) -> FloatArray:
        """Return the normal variables of features `(n, d)`."""
        grid = _normal_grid(len(self.table))
        columns = zip(features.T, self.table.T, strict=True)
        return np.stack([np.interp(x, points, grid) for x, points in columns], axis=1)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Return the features of normal variables `(n, d)`."""
        grid = _normal_grid(len(self.table))
        columns = zip(z.T, self.table.T, strict=True)
        return np.stack([np.interp(x, grid, points) for x, points in columns], axis=1)


def _normal_grid(n: int) -> FloatArray:
    return np.linspace(-NORMAL_RANGE, NORMAL_RANGE, min(n, N_QUANTILES))


def _find_atoms(seen: Seen) -> list[Atoms]:
    return [find_atoms(column) for column in seen.side_bands.features.T]


def _open(features: FloatArray, atoms: Sequence[Atoms]) -> FloatArray:
    """Return features `(n, d)` with their atoms opened."""
    generator = np.random.default_rng(0)
    return np.stack([own.open(x, generator) for own, x in zip(atoms, features.T, strict=True)], axis=1)


def _pair(first: FloatArray, second: FloatArray) -> IntArray:
    """Return, for every point of `first (n, d)`, its partner in `second (n, d)` by exact optimal transport."""
    import ot

    cost = ot.dist(first, second)
    plan = ot.emd([], [], cost, numItermax=1_000_000)
    return np.asarray(plan.argmax(axis=1), dtype=np.int64)


class FittedRadOT(FittedTemplate):
    """Pairs of events, by their indices in the two side-bands."""

    def __init__(self, seen: Seen, quantiles: GlobalQuantiles, lower: IntArray, upper: IntArray) -> None:
        self.seen = seen
        self.quantiles = quantiles
        self.lower = lower
        self.upper = upper
        self.atoms = _find_atoms(seen)
        self.z1, self.z2 = (quantiles.to_normal(_open(b.features, self.atoms)) for b in (seen.sb1, seen.sb2))

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return the point between the events of a pair at each mass wanted; `source_id` is the lower one's."""
        sb1, sb2 = self.seen.sb1.take(self.lower), self.seen.sb2.take(self.upper)
        chosen = draw_sources(sb1, len(request), compute.streams.generator("pairs"))
        sb1, sb2 = sb1.take(chosen), sb2.take(chosen)
        fraction = ((request.masses - sb1.mjj) / (sb2.mjj - sb1.mjj))[:, None]
        z1, z2 = self.z1[self.lower[chosen]], self.z2[self.upper[chosen]]
        opened = self.quantiles.from_normal(z1 + fraction * (z2 - z1))
        features = np.stack([atoms.close(y) for atoms, y in zip(self.atoms, opened.T, strict=True)], axis=1)
        events = make_events(request.masses, features, sb1.names, np.arange(len(request)), sb1.source_id)
        return Sample(events, np.zeros(features.shape[1], dtype=np.int64))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the pairs and the quantiles."""
        return {"quantiles": self.quantiles.table, "lower": self.lower, "upper": self.upper}

"""A few Gaussian components beside a background density that is known: expectation-maximisation, many at once.

p(z) = (1 - w) p_background(z) + w sum_k c_k N(z; mean_k, covariance_k). Log densities of all components are one matrix
product of the monomials of z up to second order, so hundreds of starts cost little more than one. No torch.

References:
    A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977,
    J. R. Stat. Soc. B 39, 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST_FRACTION, MOST_FRACTION = 1e-6, 0.5
"""A signal fraction is kept between these."""


@dataclass(frozen=True)
class Prior:
    """What keeps a covariance from collapsing: so many events with this standard deviation in every direction.

    It is the mode of an inverse-Wishart prior, up to its constant.
    """

    events: float = 5.0
    width: float = 0.4


@dataclass(frozen=True)
class Mixtures:
    """Many signal densities side by side, `s` mixtures of `k` components in `d` dimensions.

    Attributes:
        fraction: signal fraction w of each `(s,)`.
        share: of each component, summing to 1 over them `(s, k)`.
        mean: `(s, k, d)`.
        covariance: `(s, k, d, d)`.
    """

    fraction: FloatArray
    share: FloatArray
    mean: FloatArray
    covariance: FloatArray

    @staticmethod
    def at(mean: FloatArray, fraction: FloatArray, width: float) -> Mixtures:
        """Return one round component at each start `(s, d)`, of signal fractions `(s,)`."""
        s, d = mean.shape
        covariance = np.broadcast_to(width**2 * np.eye(d), (s, 1, d, d)).copy()
        return Mixtures(np.asarray(fraction, dtype=np.float64), np.ones((s, 1)), mean[:, None, :].copy(), covariance)

    def __len__(self) -> int:
        return len(self.fraction)

    def take(self, index: IntArray) -> Mixtures:
        """Return some of the mixtures `(t,)`."""
        return Mixtures(*(column[index] for column in vars(self).values()))

    def log_components(self, terms: FloatArray) -> FloatArray:
        """Return log c_k N(z; ...) of every event, mixture and component `(n, s, k)`, from `monomials` `(n, m)`."""
        found: FloatArray = (terms @ self._weights().T).reshape(len(terms), *self.share.shape)
        return found

    def _weights(self) -> FloatArray:
        """Return the factors of the monomials in the log density of every component `(s k, m)`."""
        d = self.mean.shape[-1]
        precision = np.linalg.inv(self.covariance)
        linear = np.einsum("skij,skj->ski", precision, self.mean)
        constant = np.log(self.share) - 0.5 * (
            np.einsum("ski,ski->sk", linear, self.mean) + np.linalg.slogdet(self.covariance)[1] + d * np.log(2 * np.pi)
        )
        rows, columns = np.triu_indices(d)
        quadratic = -precision[..., rows, columns] * np.where(rows == columns, 0.5, 1.0)
        weights = np.concatenate([constant[..., None], linear, quadratic], axis=-1)
        return np.asarray(weights.reshape(-1, weights.shape[-1]), dtype=np.float64)

    def log_density(self, z: FloatArray) -> FloatArray:
        """Return log p_signal of events `(n, d)` by every mixture `(n, s)`; of each event whatever the others are."""
        found = np.einsum("nm,sm->ns", monomials(z), self._weights()).reshape(len(z), *self.share.shape)
        return _log_sum(found)

    def gain(self, z: FloatArray, log_background: FloatArray) -> FloatArray:
        """Return log p / p_background of events `(n, d)` by every mixture `(n, s)`."""
        signal = np.log(self.fraction) + _log_sum(self.log_components(monomials(z))) - log_background[:, None]
        return np.logaddexp(signal, np.log1p(-self.fraction))


def monomials(z: FloatArray) -> FloatArray:
    """Return 1, z_i and z_i z_j of events `(n, d)`, i <= j."""
    rows, columns = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, rows] * z[:, columns]], axis=1)


def maximise(
    start: Mixtures, z: FloatArray, log_background: FloatArray, weight: FloatArray, prior: Prior, iterations: int
) -> Mixtures:
    """Return the mixtures after so many steps of expectation-maximisation; background stays as it is.

    Args:
        start: where each of the `s` begins.
        z: events `(n, d)`.
        log_background: log p_background of each `(n,)`.
        weight: of each event in each mixture `(n, s)`, 0 for those that it does not see.
        prior: of the covariances.
        iterations: steps.
    """
    terms, mixtures, n_seen = monomials(z), start, weight.sum(axis=0)
    for _ in range(iterations):
        components = mixtures.log_components(terms) + np.log(mixtures.fraction)[None, :, None]
        signal = _log_sum(components)
        background = np.log1p(-mixtures.fraction) + log_background[:, None]
        components -= np.logaddexp(signal, background)[..., None]
        belongs = np.exp(components, out=components)
        belongs *= weight[..., None]
        mixtures = _update(belongs, terms, mixtures, n_seen, prior)
    return mixtures


def _update(belongs: FloatArray, terms: FloatArray, old: Mixtures, n_seen: FloatArray, prior: Prior) -> Mixtures:
    """Return the mixtures that responsibilities `(n, s, k)` ask for."""
    s, k, d = old.mean.shape
    sums = (belongs.reshape(len(belongs), -1).T @ terms).reshape(s, k, -1)
    n = np.maximum(sums[..., 0], 1e-9)
    mean = sums[..., 1 : 1 + d] / n[..., None]
    rows, columns = np.triu_indices(d)
    scatter = np.empty((s, k, d, d))
    scatter[..., rows, columns] = scatter[..., columns, rows] = sums[..., 1 + d :]
    scatter -= n[..., None, None] * mean[..., :, None] * mean[..., None, :]
    covariance = scatter + prior.events * prior.width**2 * np.eye(d)
    covariance /= (n + prior.events)[..., None, None]
    total = n.sum(axis=1)
    fraction = np.clip(total / n_seen, LEAST_FRACTION, MOST_FRACTION)
    return replace(old, fraction=fraction, share=n / total[:, None], mean=mean, covariance=covariance)


def _log_sum(terms: FloatArray) -> FloatArray:
    """Return the logarithm of the sum of exponentials over the last axis."""
    if terms.shape[-1] == 1:
        return terms[..., 0]
    summed: FloatArray = np.logaddexp.reduce(terms, axis=-1)
    return summed


@dataclass(frozen=True)
class Search:
    """How signal components are looked for.

    Attributes:
        starts: events at which a component is tried, drawn at random.
        fractions: signal fractions to start from, in turn.
        modes: different components that are kept and validated.
        splits: parts of the events, each left out in turn.
        prior: of covariances; its width is that of the start too.
    """

    starts: int = 200
    fractions: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    modes: int = 16
    splits: int = 5
    prior: Prior = Prior()


QUICK, LONG, SAME = 8, 30, 0.25
"""Steps from every start, steps of those that look best, and the distance of means below which two are one mode."""
CANDIDATES = 3
"""Starts that are continued, for each mode that is kept."""


@dataclass(frozen=True)
class Found:
    """Modes of a search, each fitted without every part of the events in turn.

    Attributes:
        mixtures: of part 0, then of part 1 and so on, `splits * modes` of them.
        gain: log p / p_background of the part that each has not seen, summed `(splits, modes)`.
    """

    mixtures: Mixtures
    gain: FloatArray

    @property
    def weight(self) -> FloatArray:
        """Weight of each mode `(modes,)`: what it gains beyond half of the best; the best alone where none gains."""
        total = self.gain.sum(axis=0)
        best = float(total.max())
        if best <= 0.0:
            alone: FloatArray = (np.arange(len(total)) == total.argmax()).astype(np.float64)
            return alone
        beyond = np.maximum(0.0, total - best / 2)
        return np.asarray(beyond / beyond.sum(), dtype=np.float64)


def find_modes(z: FloatArray, log_background: FloatArray, search: Search, generator: np.random.Generator) -> Found:
    """Look for components that events have beyond a known background, and validate them.

    Args:
        z: events `(n, d)`.
        log_background: log p_background of each `(n,)`.
        search: how.
        generator: draws starts and parts.
    """
    n_starts = min(search.starts, len(z))
    starts = z[generator.choice(len(z), n_starts, replace=False)]
    modes = Mixtures.at(starts, np.resize(search.fractions, n_starts), search.prior.width)
    for iterations, kept in ((QUICK, CANDIDATES * search.modes), (LONG, len(modes))):
        everything = np.ones((len(z), len(modes)))
        modes = maximise(modes, z, log_background, everything, search.prior, iterations)
        modes = modes.take(np.argsort(-modes.gain(z, log_background).sum(axis=0), kind="stable")[:kept])
    modes = modes.take(_distinct(modes.mean[:, 0])[: search.modes])
    part = generator.permutation(len(z)) % search.splits
    is_seen = (part[:, None] != np.arange(search.splits)).repeat(len(modes), axis=1).astype(np.float64)
    every = modes.take(np.tile(np.arange(len(modes)), search.splits))
    fitted = maximise(every, z, log_background, is_seen, search.prior, LONG)
    gain = ((1.0 - is_seen) * fitted.gain(z, log_background)).sum(axis=0)
    return Found(fitted, gain.reshape(search.splits, len(modes)))


def _distinct(means: FloatArray) -> IntArray:
    """Return the first of every group of like means `(s, d)`."""
    kept: list[int] = []
    for index, mean in enumerate(means):
        if not kept or np.abs(means[kept] - mean).max(axis=1).min() > SAME:
            kept.append(index)
    return np.array(kept, dtype=np.int64)

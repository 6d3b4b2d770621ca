"""Look-elsewhere: the probability of the largest local significance anywhere in a scan.

Tests that select the same events fluctuate together. Their correlation follows from the overlap of the
selections, whatever classifiers made them, and the largest of correlated normal variables gives the
global p-value. It is estimated with one test forced above the threshold, so it is accurate at any Z.

References:
    R. J. Adler, J. H. Blanchet, J. Liu, 2012, Ann. Appl. Probab. 22 1167 (the estimator).
    E. Gross, O. Vitells, 2010, arXiv:1005.1891 (up-crossings).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.special import ndtri_exp

from anomaly_cli.analysis.tails import log_normal_tail, normal_tail
from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.systematics import BACKGROUND

NO_EVENTS = np.zeros(0, dtype=np.int64)
PASS_FAIL = "pass/fail"
"""Name of the tests whose control sample are the events that fail."""
REFERENCE_LEVEL = 0.5
"""Level at which up-crossings are counted."""
SMALL_P = 1e-9
"""Below it, as many independent tests as the global p-value is times the local one."""


@dataclass(frozen=True)
class SelectedEvents:
    """What one test selects.

    Attributes:
        observed: ids of observed events that pass.
        template: ids of template events that pass.
        transfer: template events per expected background event.
        statistical_share: variance of the excess from counts over all of it; the rest (closure, k-fold, side-band
            fit) is taken as independent between tests.
        fail_weight: where the events that fail are the control sample, background events expected to pass for each
            of them; else 0, and the next two are not used.
        observed_all: ids of observed events before the cut.
        template_all: ids of template events before the cut.
        template_digest: which template; events of different ones are never the same, whatever their ids.
        shifts: what each of the user's systematics shifts the excess by, by nuisance parameter, over the standard
            deviation of the excess; tests with the same parameter are shifted together.
    """

    observed: npt.NDArray[np.int64]
    template: npt.NDArray[np.int64]
    transfer: float
    statistical_share: float = 1.0
    fail_weight: float = 0.0
    observed_all: npt.NDArray[np.int64] = field(default_factory=lambda: NO_EVENTS)
    template_all: npt.NDArray[np.int64] = field(default_factory=lambda: NO_EVENTS)
    template_digest: str = ""
    shifts: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing passes: without an event a test shares none with others."""
        return not len(self.observed) and not len(self.template)


@dataclass(frozen=True)
class GlobalResult:
    """Global p-value of the most significant test.

    Attributes:
        index: which test.
        z_local: its local significance.
        p_global: from the copula.
        error: its statistical error; 0 where no draw had two tests above the threshold, so that the bound of
            Bonferroni is reached.
        z_global: its significance, also where p_global is too small for a float.
        gross_vitells: from up-crossings, summed over cuts.
        sidak: for independent tests.
        n_effective: independent tests that would give p_global.
    """

    index: int
    z_local: float
    p_global: float
    error: float
    z_global: float
    gross_vitells: float
    sidak: float
    n_effective: float

    def columns(self) -> dict[str, float]:
        """Return what artifacts keep of it."""
        return {
            "test": self.index,
            "z_local": self.z_local,
            "p_global": self.p_global,
            "p_global_error": self.error,
            "z_global": self.z_global,
            "n_effective": self.n_effective,
        }


def overlap_correlation(selections: Sequence[SelectedEvents]) -> FloatArray:
    """Return the correlation `(t, t)` of the excesses from shared observed and template events.

    An excess is a sum over events: 1 for one that passes, -1/transfer for a template event that does. Where failing
    events are the control sample, they enter with -w, w the fail weight, and template events that fail with
    w/transfer. Covariances are sums over shared events and over shared nuisance parameters of systematics, and total
    variances hold what is not shared besides.
    """
    observed = _covariance(selections, [s.observed for s in selections], [s.observed_all for s in selections])
    template = _covariance(selections, [s.template for s in selections], [s.template_all for s in selections])
    digests = np.array([s.template_digest for s in selections])
    template *= digests[:, None] == digests[None, :]
    transfer = np.array([s.transfer for s in selections])
    covariance = observed + template / np.outer(transfer, transfer)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    share = np.sqrt([s.statistical_share for s in selections])
    correlation: FloatArray = covariance / np.outer(scale, scale) * np.outer(share, share)
    parameters = dict.fromkeys(name for s in selections for name in s.shifts)
    shifts = np.array([[s.shifts.get(name, 0.0) for name in parameters] for s in selections])
    correlation = np.clip(correlation + shifts @ shifts.T, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _covariance(
    selections: Sequence[SelectedEvents],
    passing: Sequence[npt.NDArray[np.int64]],
    everything: Sequence[npt.NDArray[np.int64]],
) -> FloatArray:
    """Return the covariance `(t, t)` of the weighted sums over events: weight 1 if passing, -w if failing."""
    weight = np.array([s.fail_weight for s in selections])
    shared = _overlaps([*passing, *(ids if w else NO_EVENTS for ids, w in zip(everything, weight, strict=True))])
    t = len(selections)
    pass_pass, pass_all, all_all = shared[:t, :t], shared[:t, t:], shared[t:, t:]
    # 1 if passing and -w if failing is (1 + w) if passing, and -w for all
    mixed = np.outer(1.0 + weight, weight) * pass_all
    covariance: FloatArray = np.outer(1.0 + weight, 1.0 + weight) * pass_pass - mixed - mixed.T
    return covariance + np.outer(weight, weight) * all_all


def _overlaps(sets: Sequence[npt.NDArray[np.int64]]) -> FloatArray:
    """Return how many ids each pair of sets shares `(k, k)`; the ids of a set differ."""
    ids, columns = np.unique(np.concatenate(sets), return_inverse=True)
    rows = np.repeat(np.arange(len(sets)), [len(item) for item in sets])
    incidence = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(sets), len(ids)))
    shared: FloatArray = (incidence @ incidence.T).toarray()
    return shared


def global_p_value(
    z: FloatArray, correlation: FloatArray, cuts: IntArray, generator: np.random.Generator, n_draws: int = 20_000
) -> GlobalResult:
    """Return the global p-value of the largest of `z`.

    With test i chosen at random and forced above z_max, the others drawn from what remains, the mean of
    t p_local / (number above z_max) is P(any above z_max).

    Args:
        z: local significances `(t,)`, ordered by mass within each cut.
        correlation: their correlation `(t, t)`.
        cuts: which cut each test belongs to `(t,)`; up-crossings are counted along the tests of a cut.
        generator: randomness.
        n_draws: draws.
    """
    t, best = len(z), int(np.argmax(z))
    z_max = float(z[best])
    p_local = float(normal_tail(z_max))
    drawn = _draw(correlation, n_draws, generator)
    forced = generator.integers(t, size=n_draws)
    rows = np.arange(n_draws)
    log_p = log_normal_tail(z_max)
    above = -ndtri_exp(log_p + np.log(1.0 - generator.random(n_draws)))
    shifted = drawn + (above - drawn[rows, forced])[:, None] * correlation[forced]
    shifted[rows, forced] = above
    weight = 1.0 / np.maximum((shifted >= z_max).sum(axis=1), 1)
    log_global = min(float(log_p) + np.log(t * weight.mean()), 0.0)
    p_global = float(np.exp(log_global))
    error = t * p_local * float(weight.std()) / np.sqrt(n_draws)
    sidak = -np.expm1(t * np.log1p(-p_local)) if p_local < 1.0 else 1.0
    crossings = sum(_up_crossings(drawn[:, cuts == cut]) for cut in np.unique(cuts))
    vitells = len(np.unique(cuts)) * p_local + crossings * np.exp(-(z_max**2 - REFERENCE_LEVEL**2) / 2)
    if p_local < SMALL_P:
        n_effective = float(np.exp(log_global - log_p))
    else:
        n_effective = np.log1p(-min(p_global, 1 - 1e-12)) / np.log1p(-p_local) if p_local < 1.0 else 1.0
    return GlobalResult(
        index=best,
        z_local=z_max,
        p_global=p_global,
        error=float(error),
        z_global=float(-ndtri_exp(log_global)),
        gross_vitells=min(float(vitells), 1.0),
        sidak=float(sidak),
        n_effective=float(n_effective),
    )


def claimable_global(
    z_claimable: FloatArray, correlation: FloatArray, cuts: IntArray, generator: np.random.Generator
) -> GlobalResult | None:
    """Return the global p-value of the largest claimable Z; None where that of a test is not known.

    It need not be the test with the largest Z.

    Args:
        z_claimable: claimable significances `(t,)`, in the order of `global_p_value`, as all else.
        correlation: of the tests `(t, t)`.
        cuts: which cut each test belongs to `(t,)`.
        generator: randomness.
    """
    if np.isnan(z_claimable).any():
        return None
    return global_p_value(z_claimable, correlation, cuts, generator)


def _draw(correlation: FloatArray, n: int, generator: np.random.Generator) -> FloatArray:
    values, vectors = np.linalg.eigh(correlation)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn: FloatArray = generator.standard_normal((n, len(values))) @ factor.T
    return drawn


def _up_crossings(values: FloatArray) -> float:
    """Return the mean number of up-crossings of the reference level along the tests."""
    is_above = values > REFERENCE_LEVEL
    return float((~is_above[:, :-1] & is_above[:, 1:]).sum(axis=1).mean())


def selected_events(
    groups: Mapping[str, Mapping[str, npt.NDArray[Any]]],
    region: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    template_digest: str,
) -> list[SelectedEvents]:
    """Return what each test of a count selects.

    Args:
        groups: `tests`, `selected`, `selected_template` and, where there are any, `systematics` of a significance
            artifact, or of a point of a scan.
        region: ids of the observed and of the template events before any cut; pass/fail tests need them.
        template_digest: digest of the template artifact.
    """
    tests = groups["tests"]
    selections = []
    for test in range(len(tests["z"])):
        passing = [groups[name]["event_id"][groups[name]["test"] == test] for name in ("selected", "selected_template")]
        is_pass_fail = tests["test"][test] == PASS_FAIL
        everything = region if is_pass_fail else (NO_EVENTS, NO_EVENTS)
        selections.append(
            SelectedEvents(
                observed=passing[0],
                template=passing[1],
                transfer=float(tests["n_template"][test] / max(tests["n_expected"][test], 1e-9)),
                statistical_share=statistical_share(tests, test),
                fail_weight=1.0 / float(tests["transfer"][test]) if is_pass_fail else 0.0,
                observed_all=everything[0],
                template_all=everything[1],
                template_digest=template_digest,
                shifts=_shifts(groups, test),
            )
        )
    return selections


def statistical_share(tests: Mapping[str, npt.NDArray[Any]], index: int) -> float:
    """Return which share of the variance of a test's excess is from counting events; the rest is in its model only."""
    b, uncertainty, transfer = (float(tests[name][index]) for name in ("n_expected", "uncertainty", "transfer"))
    counted = b + b / transfer
    if tests["test"][index] == PASS_FAIL:
        counted += (b * (1.0 + 1.0 / transfer) * float(tests["template_uncertainty"][index])) ** 2
    total = b + uncertainty**2
    return min(counted / total, 1.0) if total > 0.0 else 1.0


def _shifts(groups: Mapping[str, Mapping[str, npt.NDArray[Any]]], test: int) -> dict[str, float]:
    """Return the systematics of the background in units of the standard deviation of the excess, up being positive."""
    if "systematics" not in groups:
        return {}
    tests, rows = groups["tests"], groups["systematics"]
    b, uncertainty, transfer = (float(tests[name][test]) for name in ("n_expected", "uncertainty", "transfer"))
    leverage = (1.0 + transfer) / transfer if tests["test"][test] == PASS_FAIL else 1.0
    scale = b * leverage / max(np.sqrt(b + uncertainty**2), 1e-9)
    found = {}
    for row in np.flatnonzero((rows["test"] == test) & (rows["on"] == BACKGROUND)):
        up, down = float(rows["up"][row]), float(rows["down"][row])
        found[str(rows["parameter"][row])] = float(scale * np.sign(up - down) * np.hypot(up, down) / np.sqrt(2.0))
    return found


def copula_generator(seed: int) -> np.random.Generator:
    """Return the randomness of a global p-value: that of one search, whoever puts its tests together."""
    return Streams(seed).generator("global/copula")

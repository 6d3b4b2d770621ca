"""Cross-fitting: no side-band event both trains a classifier and says how much background passes it.

A classifier trained against a template finds where that template is short, whatever its seed. So the side-bands are
divided by source event, models of the template are made of some divisions each, and every model says which folds its
events train and in which they are counted.

References:
    V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters", 2018,
    Econometrics Journal 21, C1, arXiv:1608.00060.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import IntArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import assign_folds
from anomaly_cli.core.seen import Seen

Folds = tuple[int, ...] | None
"""Some folds; None for all of them."""
NONE, PARTS, THIRDS, HALVES, COMPLEMENTS = "none", "parts", "thirds", "halves", "complements"
SCHEMES = {
    PARTS: "one model per fold, made of the side-band events of that fold; it is counted there and trains the others",
    THIRDS: "three models, each of a third of the side-band events, counted in a third of the folds; trains the others",
    HALVES: "two models, each of half of the side-band events; a fold trains against one and counts with the other",
    COMPLEMENTS: "two models per fold: one of the other folds' side-band events, which trains it, one of its own",
    NONE: "one model of all side-band events; its errors are shared by classifier and expectation",
}
"""The schemes, and what each does."""
GROUPS = {HALVES: 2, THIRDS: 3}
"""Schemes with fewer models than folds."""
FEWEST_FOLDS = 4
"""Where a fold's classifiers may see nothing of two divisions, with fewer folds too little is left."""


def check_scheme(name: str, *others: str) -> None:
    """Refuse what is neither the name of a scheme nor one of some others.

    Raises:
        ConfigError: where it is not.
    """
    if name not in (*SCHEMES, *others):
        raise ConfigError(
            f"cross-fitting: '{name}' is not known; template.crossfit is one of {', '.join([*others, *SCHEMES])}"
        )


@dataclass(frozen=True)
class PartPlan:
    """One model of a template.

    Attributes:
        divisions: the divisions of the side-bands that it is made of; None for all.
        trains: folds whose classifiers are trained against it.
        counts: folds in which it says how much background passes.
    """

    divisions: Folds = None
    trains: Folds = None
    counts: Folds = None


@dataclass(frozen=True)
class CrossFit:
    """How side-band events and folds are divided.

    Attributes:
        scheme: one of `SCHEMES`.
        n_folds: folds of the classifier.
        salt: of the hashes that divide.
        is_lagged: whether a model's sources are observed events of the signal region as well. Then it is counted in the
            fold after its own, whose classifiers see nothing of either: copies of counted events never enter their own
            expectation.

    Raises:
        ConfigError: for an unknown scheme, or one that does not go with sources in the signal region.
    """

    scheme: str
    n_folds: int
    salt: int
    is_lagged: bool = False

    def __post_init__(self) -> None:
        check_scheme(self.scheme)
        least = GROUPS.get(self.scheme, 2)
        if self.n_folds < least:
            raise ConfigError(f"cross-fitting: '{self.scheme}' needs {least} folds or more; raise classifier.folds")
        if self.is_lagged and self.scheme not in (PARTS, NONE):
            raise ConfigError(
                f"cross-fitting: '{self.scheme}' cannot keep copies of counted events out of a template that is made"
                f" from signal-region events; use template.crossfit={PARTS}"
            )
        if self.is_lagged and self.scheme == PARTS and self.n_folds < FEWEST_FOLDS:
            raise ConfigError(
                f"cross-fitting: a template that is made from signal-region events needs {FEWEST_FOLDS} folds or more;"
                f" raise classifier.folds, or use template.crossfit={NONE}"
            )

    @property
    def n_divisions(self) -> int:
        """Into how many divisions the side-bands fall."""
        return {NONE: 1, **GROUPS}.get(self.scheme, self.n_folds)

    @property
    def plans(self) -> tuple[PartPlan, ...]:
        """The models of the template, in order."""
        folds = range(self.n_folds)
        if self.scheme == NONE:
            return (PartPlan(),)
        if self.scheme in GROUPS:
            n = GROUPS[self.scheme]
            counts = [tuple(fold for fold in folds if fold % n == part) for part in range(n)]
            return tuple(
                PartPlan((part,), tuple(fold for fold in folds if fold % n != part), counts[part]) for part in range(n)
            )
        if self.scheme == COMPLEMENTS:
            own = tuple(PartPlan((fold,), (), (fold,)) for fold in folds)
            others = tuple(PartPlan(tuple(one for one in folds if one != fold), (fold,), ()) for fold in folds)
            return own + others
        return tuple(
            PartPlan((part,), tuple(fold for fold in folds if part not in self._unseen(fold)), (self._counted(part),))
            for part in folds
        )

    def share(self, plan: PartPlan) -> float:
        """Return the share of a whole template that a model makes, so that every fold trains against as much."""
        if self.scheme == NONE:
            return 1.0
        training = 1.0 - 1.0 / self.n_folds
        if self.scheme in GROUPS:
            return training / (GROUPS[self.scheme] - 1)
        return 1.0 - training if plan.counts else training

    def division(self, source_id: IntArray) -> IntArray:
        """Return the division of side-band events, and of other sources of a template, `(n,)`."""
        if self.scheme in GROUPS:  # a hash of its own, so that every division falls into all of its folds
            return assign_folds(source_id, self.n_divisions, self.salt + 1)
        return assign_folds(source_id, self.n_divisions, self.salt)

    def part_of(self, seen: Seen, divisions: Folds) -> Seen:
        """Return what is seen of the source events of some divisions only, of all of them for None."""
        if divisions is None:
            return seen
        return seen.only(lambda source_id: np.isin(self.division(source_id), divisions))

    def fold(self, source_id: IntArray, counts: Folds = None) -> IntArray:
        """Return the fold of events of such sources, in one of those given, `(n,)`; -1 where there is none."""
        if counts is None:
            return assign_folds(source_id, self.n_folds, self.salt)
        if not counts:
            return np.full(len(source_id), -1, dtype=np.int64)
        chosen: IntArray = np.array(counts)[assign_folds(source_id, len(counts), self.salt)]
        return chosen

    def side_band_fold(self, source_id: IntArray) -> IntArray:
        """Return a fold whose classifiers have seen nothing that is made of these side-band events `(n,)`."""
        division, fold = self.division(source_id), np.full(len(source_id), -1, dtype=np.int64)
        for plan in self.plans:
            if plan.counts != ():
                own = np.isin(division, plan.divisions) if plan.divisions is not None else np.ones(len(fold), bool)
                fold[own] = self.fold(source_id[own], plan.counts)
        return fold

    def observed_trains(self, fold: IntArray) -> npt.NDArray[np.bool_]:
        """Return whether observed events of these folds `(n,)` train the classifiers of each fold `(n, n_folds)`."""
        unseen = np.array(
            [[one in self._unseen(other) for other in range(self.n_folds)] for one in range(self.n_folds)]
        )
        return ~unseen[fold]

    def trained_divisions(self, fold: int) -> Folds:
        """Return the divisions of the side-bands that what ranks a fold may be made of; None for all of them.

        They are those behind the template that trains the fold, so never those behind its expectation.
        """
        training = [plan for plan in self.plans if plan.trains is None or fold in plan.trains]
        if any(plan.divisions is None for plan in training):
            return None
        return tuple(sorted({division for plan in training for division in plan.divisions or ()}))

    def without_parts(self) -> CrossFit:
        """Return the same folds for a template that is one part."""
        return replace(self, scheme=NONE, is_lagged=False)

    def _counted(self, part: int) -> int:
        return (part + 1) % self.n_folds if self.is_lagged else part

    def _unseen(self, fold: int) -> tuple[int, ...]:
        """Return what the classifiers of a fold must not see: observed events and template parts of these numbers."""
        return (fold, (fold - 1) % self.n_folds) if self.is_lagged else (fold,)

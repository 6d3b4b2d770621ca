"""Boosted trees on binned features.

References:
    T. Finke et al., "Back to the roots: tree-based algorithms for weakly supervised anomaly detection",
    2023, arXiv:2309.13111.
    C. Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression
    trees", SIGIR 2015 (how stored trees are evaluated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from anomaly_cli.classifiers.base import (
    Classifier,
    FittedClassifier,
    Labelled,
    Preparation,
    check_fraction,
    draw_features,
)
from anomaly_cli.core.arrays import Arrays, FloatArray, IntArray
from anomaly_cli.core.blocks import Block
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import Events
from anomaly_cli.core.presets import Preset

N_BINS = 255
"""Quantile bins per feature."""
WORD = 64
"""Leaves whose fate fits into one machine word."""
NOTHING_RULED_OUT = np.uint64(2**64 - 1)
"""A word with every bit set."""


@dataclass(frozen=True)
class Bins(Block):
    """The bin of every feature `(n, d)`, which is all that trees look at."""

    kind: ClassVar[str] = "bins"

    index: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: npt.NDArray[np.int64]) -> Bins:
        """Return the rows at indices `(k,)`."""
        return Bins(self.index[index])

    @classmethod
    def join(cls, parts: Sequence[Bins]) -> Bins:
        """Return all rows, in order."""
        return Bins(np.concatenate([part.index for part in parts]))

    def to_arrays(self) -> Mapping[str, npt.NDArray[Any]]:
        """Return the bins."""
        return {"index": self.index}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Bins:
        """Rebuild what `to_arrays` returned."""
        return Bins(np.asarray(arrays["index"], dtype=np.uint8))


@dataclass(frozen=True)
class Binning(Preparation):
    """Quantiles of each feature over all events of both classes `(N_BINS - 1, d)`.

    They are the same for all folds: which class an event belongs to does not enter. scikit-learn would bin
    for every model, and sorts the events anew for each edge where there are weights.
    """

    edges: FloatArray

    @staticmethod
    def fit(events: Events) -> Binning:
        """Return the quantiles of the features of events."""
        edges: FloatArray = np.quantile(events.features, np.arange(1, N_BINS) / N_BINS, axis=0)
        return Binning(edges)

    def apply(self, events: Events) -> Events:
        """Return the events with a block of bins."""
        columns = zip(self.edges.T, events.features.T, strict=True)
        binned = [np.searchsorted(edge, column, side="right") for edge, column in columns]
        return events.with_block(Bins.kind, Bins(np.stack(binned, axis=1).astype(np.uint8)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the quantiles."""
        return {"edges": self.edges}


@dataclass(frozen=True)
class Trees(Classifier):
    """Settings of gradient-boosted trees (scikit-learn's HistGradientBoostingClassifier).

    Attributes:
        ensemble: models per fold whose log-odds are averaged. Sensible: 1 to 100.
        iterations: boosting iterations at most. Sensible: 50 to 500.
        leaves: leaves per tree at most. Sensible: 7 to 63.
        learning_rate: shrinkage. Sensible: 0.02 to 0.2.
        patience: iterations without improvement before boosting stops. Sensible: 5 to 30.
        feature_fraction: part of the features that each model sees, drawn for each (attribute bagging).
    """

    name: ClassVar[str] = "trees"
    summary: ClassVar[str] = "gradient-boosted trees on quantile bins"
    reference: ClassVar[str] = "arXiv:2309.13111"
    presets: ClassVar[Mapping[str, Preset]] = {
        "standard": Preset(
            {"ensemble": 50},
            "50 models per fold, which the field compares with; it has 5 folds (classifier.folds=5)",
            "arXiv:2309.13111",
        ),
        "bagged": Preset(
            {"feature_fraction": 0.5, "ensemble": 50}, "half of the features per model, for many features"
        ),
    }

    iterations: int = 200
    leaves: int = 31
    learning_rate: float = 0.1
    patience: int = 10
    feature_fraction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations < 1 or self.leaves < 2 or not 0.0 < self.learning_rate <= 1.0 or self.patience < 1:
            raise ConfigError(
                "classifier trees: needs iterations >= 1, leaves >= 2, learning_rate in (0, 1] and patience >= 1"
            )
        check_fraction(self.name, self.feature_fraction)

    def prepare(self, events: Events, compute: Compute) -> Binning:
        """Bin the features."""
        return Binning.fit(events)

    def load_preparation(self, arrays: Arrays) -> Binning:
        """Rebuild the binning."""
        return Binning(arrays["edges"])

    def fit(self, training: Labelled, stopping: Labelled, compute: Compute) -> FittedTrees:
        """Boost until the loss of the stopping events does not fall any more."""
        from sklearn.ensemble import HistGradientBoostingClassifier  # a second to import

        model = HistGradientBoostingClassifier(
            max_iter=self.iterations,
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            early_stopping=True,
            n_iter_no_change=self.patience,
            random_state=compute.streams.integer(),
        )
        bins, stopping_bins = _bins_of(training.events), _bins_of(stopping.events)
        seen = np.flatnonzero(draw_features(bins.shape[1], self.feature_fraction, compute.streams))
        with threadpool_limits(limits=compute.threads):
            model.fit(
                bins[:, seen],
                training.is_positive.astype(np.int64),
                sample_weight=training.events.weight,
                X_val=stopping_bins[:, seen],
                y_val=stopping.is_positive.astype(np.int64),
                sample_weight_val=stopping.events.weight,
            )
        return FittedTrees.of(model, seen)

    def load(self, arrays: Arrays) -> FittedTrees:
        """Rebuild trained trees."""
        return FittedTrees(**{name: arrays[name] for name in FittedTrees.__dataclass_fields__})


def _bins_of(events: Events) -> npt.NDArray[np.uint8]:
    block = events.blocks[Bins.kind]
    if not isinstance(block, Bins):
        raise TypeError(f"{Bins.kind} is a block of another kind: {type(block).__name__}")
    return block.index


@dataclass(frozen=True)
class FittedTrees(FittedClassifier):
    """Trained trees as flat tables of nodes; children are counted within their tree.

    Attributes:
        start: log-odds before the first tree `(1,)`.
        size: nodes of each tree `(t,)`.
        feature: feature that a node splits `(k,)`.
        threshold: bins up to this one go left `(k,)`.
        left: child for those `(k,)`; 0 where the node is a leaf.
        right: child for the others `(k,)`; 0 where the node is a leaf.
        value: log-odds that a leaf adds `(k,)`.
    """

    start: FloatArray
    size: IntArray
    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray

    @staticmethod
    def of(model: Any, seen: IntArray) -> FittedTrees:
        """Take the trees out of a scikit-learn model that was fitted to the columns `seen (k,)` of the bins."""
        trees = [predictor.nodes for (predictor,) in model._predictors]
        nodes = np.concatenate(trees)
        return FittedTrees(
            start=np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1),
            size=np.array([len(tree) for tree in trees], dtype=np.int64),
            feature=seen[nodes["feature_idx"].astype(np.int64)],
            threshold=nodes["num_threshold"].astype(np.float64),
            left=np.where(nodes["is_leaf"], 0, nodes["left"]).astype(np.int64),
            right=np.where(nodes["is_leaf"], 0, nodes["right"]).astype(np.int64),
            value=nodes["value"].astype(np.float64),
        )

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the tables of nodes."""
        return dict(vars(self))

    def log_odds(self, events: Events) -> FloatArray:
        """Return start plus the value of the leaf that an event reaches in every tree `(n,)`."""
        bins = np.ascontiguousarray(_bins_of(events).T)
        total = np.full(len(events), self.start[0])
        ends = np.cumsum(self.size)
        for first, last in zip(ends - self.size, ends, strict=True):
            total += self._reached(slice(first, last), bins)
        return total

    def _reached(self, tree: slice, bins: npt.NDArray[np.uint8]) -> FloatArray:
        """Return the value of the leaf that each column of `bins (d, n)` reaches in one tree `(n,)`.

        The leaves from left to right are bits. A node that sends an event right rules out the leaves below its left
        child; the first leaf that no node rules out is reached. What a feature's nodes rule out is looked up by bin.
        """
        left, right, feature = self.left[tree], self.right[tree], self.feature[tree]
        leaves, below = _leaves_in_order(left, right)
        if len(leaves) == 1:
            return np.full(bins.shape[1], self.value[tree][leaves[0]])
        inner = np.flatnonzero(left)
        inner = inner[np.argsort(self.threshold[tree][inner], kind="stable")]
        first = np.full(bins.shape[1], len(leaves))
        for word in range(0, len(leaves), WORD):
            kept = np.array([_kept(below[left[node]], word) for node in inner], dtype=np.uint64)
            allowed = np.full(bins.shape[1], NOTHING_RULED_OUT)
            for column in np.unique(feature[inner]):
                own = feature[inner] == column
                seen = np.bitwise_and.accumulate(np.append(NOTHING_RULED_OUT, kept[own]))
                n_passed = np.searchsorted(self.threshold[tree][inner[own]], np.arange(N_BINS + 1), side="left")
                allowed &= seen[n_passed][bins[column]]
            first = np.where((first == len(leaves)) & (allowed != 0), word + _lowest_bit(allowed), first)
        return np.asarray(self.value[tree][leaves[first]])


def _leaves_in_order(left: IntArray, right: IntArray) -> tuple[IntArray, dict[int, range]]:
    """Return the leaves of a tree from left to right, and which of them lie below each node."""
    leaves: list[int] = []
    below: dict[int, range] = {}

    def visit(node: int) -> None:
        first = len(leaves)
        if left[node]:
            visit(int(left[node]))
            visit(int(right[node]))
        else:
            leaves.append(node)
        below[node] = range(first, len(leaves))

    visit(0)
    return np.array(leaves), below


def _kept(ruled_out: range, first: int) -> int:
    """Return a word with a bit for each of the `WORD` leaves from `first` on that is not ruled out."""
    number = ((1 << len(ruled_out)) - 1) << ruled_out.start
    return ~(number >> first) & int(NOTHING_RULED_OUT)


def _lowest_bit(words: npt.NDArray[np.uint64]) -> IntArray:
    """Return the position of the lowest bit that is set in each word `(n,)`."""
    lowest = (words & (~words + np.uint64(1))).astype(np.float64)
    position: IntArray = np.frexp(lowest)[1].astype(np.int64) - 1
    return position

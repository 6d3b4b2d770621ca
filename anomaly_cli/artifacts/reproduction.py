"""A reproduction: published values beside ours, with where either comes from, as one small JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.core.documents import parse_json
from anomaly_cli.core.errors import ArtifactError

FORMAT = 1
"""Raised when an old reader would misread."""
NOT_RUN = "not run yet"
"""Why nothing of ours is there, where a job is still to be done."""


@dataclass(frozen=True)
class Compared:
    """One published value and what we find for it.

    Attributes:
        series: method, as the target calls it.
        quantity: what is compared.
        x: where, as the paper writes it; empty where there is one value only.
        ours: one value per seed, empty where nothing was run.
        errors: statistical error of each, empty where they have none.
        shared: share of the events that any two seeds measure on in common, at least.
        why_not: why nothing of ours is there; empty where something is.
        was_run: whether it was run, though to no value.
        exact: what it has to be, where that is known without data.
        published: the published value; None where there is none.
        published_error: its error as published; None where none is stated.
        published_over: over how many values that error is a standard deviation; 1 where it is the error of the value
            itself, 0 where so many that the number is not told.
        compares: whether a difference from it says anything.
        how_read: how the published value was read.
        source: where.
    """

    series: str
    quantity: str
    x: str = ""
    ours: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    shared: float = 0.0
    why_not: str = ""
    was_run: bool = False
    exact: float | None = None
    published: float | None = None
    published_error: float | None = None
    published_over: int = 1
    compares: bool = True
    how_read: str = ""
    source: str = ""

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None where nothing was run."""
        return float(np.mean(self.ours)) if self.ours else None

    @property
    def error(self) -> float | None:
        """Error of the mean, None where unknown: from the spread over seeds, but no less than statistical errors leave.

        The spread of few seeds is small by chance now and then. It does not contain what the events that all of them
        measure on have in common, which is added to it.
        """
        known = [error for error in (self._scattered, self._statistical) if error is not None]
        return max(known, default=None)

    @property
    def _spread(self) -> float | None:
        n = len(self.ours)
        return float(np.std(self.ours, ddof=1) / math.sqrt(n)) if n > 1 else None

    @property
    def _scattered(self) -> float | None:
        """Error of the mean from the spread, with that of the events in common."""
        if self._spread is None:
            return None
        in_common = self.shared * float(np.mean(np.square(self.errors))) if self.errors else 0.0
        return math.hypot(self._spread, math.sqrt(in_common))

    @property
    def _statistical(self) -> float | None:
        if not self.errors:
            return None
        n = len(self.errors)
        return math.hypot(*self.errors) / n * math.sqrt(1.0 + (n - 1) * self.shared)

    @property
    def published_mean_error(self) -> float | None:
        """Error of the published value, that of a mean where a standard deviation is published; None where unknown."""
        if self.published_error is None or not self.published_over:
            return None
        return self.published_error / math.sqrt(self.published_over)

    def freedom(self, error: float, is_published: bool) -> float:
        """Return the degrees of freedom of the error of a difference: few where it is mostly the spread of few values.

        Statistical errors are taken as known. Where the spread over our seeds exceeds them, all of it is an estimate.

        Args:
            error: of the difference.
            is_published: whether it is that from the published value, which may be the mean of few values itself.

        References:
            B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
            involved", Biometrika 34, 28, 1947; what is not a spread counts as known.
        """
        spread = self._spread or 0.0
        is_spread = spread > 0.0 and (self._scattered or 0.0) > (self._statistical or 0.0)
        estimated = [(spread**2, len(self.ours) - 1)] if is_spread else []
        if is_published and self.published_mean_error and self.published_over > 1:
            estimated.append((self.published_mean_error**2, self.published_over - 1))
        total = sum((variance / error**2) ** 2 / n for variance, n in estimated)
        return 1.0 / total if total else math.inf

    def difference(self, other: float | None, other_error: float | None) -> tuple[float, float | None] | None:
        """Return how far ours lies above another value, and the error of that; None where either is missing.

        The error is not known from one seed, whose statistical error leaves out how trainings scatter.
        """
        if self.mean is None or other is None:
            return None
        known = [error for error in (self.error, other_error) if error is not None]
        is_known = self.error is not None and (len(self.ours) > 1 or self.exact is not None)
        return self.mean - other, math.hypot(*known) if is_known else None


@dataclass(frozen=True)
class Reproduction:
    """What was run for a target, and what came out.

    Attributes:
        target: its name.
        title: one line.
        scale: how much was run.
        x: what the x of its values are; empty where they have none.
        values: published values and ours.
        data: the events that were used, in words.
        classifier: what ranked events, in words; empty where nothing was ranked.
        settings: everything that ours depend on besides the data and the release.
        release: of this package.
        n_jobs: jobs that were done, those without a result too.
        cpu_seconds: CPU time of these [s].
        failed: jobs without a result: which, and why.
        notes: sentences on what differs from the paper.
        papers: where the values were published.
    """

    target: str
    title: str
    scale: str
    x: str
    values: tuple[Compared, ...]
    data: str
    classifier: str
    settings: Mapping[str, Any]
    release: str
    n_jobs: int
    cpu_seconds: float
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    papers: tuple[str, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def given(self) -> list[str]:
        """Roles of the files that were named in the command; older results do not tell, and had the shipped data."""
        return list(self.settings.get("given", [role for role in self.settings["files"] if role != "data"]))


def write_reproduction(found: Reproduction, path: Path) -> Path:
    """Write a reproduction in one step and return its path.

    Raises:
        ArtifactError: where it cannot be written.
    """
    write_files({path: (json.dumps(asdict(found), indent=1) + "\n").encode()})
    return path


def read_reproduction(path: Path) -> Reproduction:
    """Return what `write_reproduction` wrote.

    Raises:
        ArtifactError: where it is missing, damaged or of another format.
    """
    try:
        tree = parse_json(path.read_text(encoding="utf-8"))
        values = tuple(_compared(row) for row in tree.pop("values"))
        if tree.get("format") != FORMAT:
            raise ArtifactError(f"{path}: was written in another format; run the target again")
        lists = {name: tuple(tree.get(name, ())) for name in ("failed", "notes", "papers")}
        return Reproduction(**{**tree, **lists, "values": values})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: is not a reproduction that can be read; run the target again") from error


def _compared(row: Mapping[str, Any]) -> Compared:
    lists: dict[str, Sequence[float]] = {name: tuple(row[name]) for name in ("ours", "errors")}
    return Compared(**{**row, **lists})

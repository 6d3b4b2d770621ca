"""What the verbs of the Python API return: values with a short text, a table for notebooks, and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from anomaly_cli.analysis.mass_fit import MassFit
from anomaly_cli.analysis.selection import ScoredEvents, ScoredReplicas
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.crossfit import CrossFit
from anomaly_cli.core.events import Events
from anomaly_cli.core.template import Template
from anomaly_cli.core.truth import Truth
from anomaly_cli.core.windows import COLLISION_ENERGY
from anomaly_cli.report.cells import AnyCell
from anomaly_cli.report.notation import COUNT, PROBABILITY, fixed
from anomaly_cli.report.render import html
from anomaly_cli.report.table import Column, Priority, Table
from anomaly_cli.scores.base import FittedScore
from anomaly_cli.search.closure import Closure
from anomaly_cli.search.count import Counted
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split

if TYPE_CHECKING:
    import pandas as pd


Row: TypeAlias = tuple[AnyCell, ...]


class Shown:
    """A result that shows itself: one line as text, a table in notebooks."""

    def table(self) -> Table:
        """Return the result as a table of typed cells."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return html.render_table(self.table())

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows of the result as a data frame, in full precision."""
        import pandas as pd

        table = self.table()
        return pd.DataFrame([dict(zip((c.name for c in table.columns), row, strict=True)) for row in table.rows])


def _key(name: str, header: str) -> Column:
    return Column(name, header, priority=Priority.KEY, holds=str)


def _number(name: str, header: str, digits: int = 2) -> Column:
    return Column(name, header, format=fixed(digits))


def _count(name: str, header: str) -> Column:
    return Column(name, header, format=COUNT, holds=int)


def _frame(events: Events) -> pd.DataFrame:
    import pandas as pd

    columns = {"event_id": events.event_id, "mjj": events.mjj, "weight": events.weight}
    return pd.DataFrame({**columns, **dict(zip(events.names, events.features.T, strict=True))})


@dataclass(frozen=True, repr=False)
class Data(Shown):
    """Events of an analysis.

    Attributes:
        observed: what is analysed.
        truth: labels, and the events held back; None where the data have no labels.
        cutflow: events left after each step of the reading.
        span: smallest and largest usable mass [GeV].
        seed: of every random stream, unless a verb is given another.
        name: of the file.
        collision_energy: centre-of-mass energy [GeV].
    """

    observed: Events
    truth: Truth | None
    cutflow: Sequence[tuple[str, int]]
    span: tuple[float, float]
    seed: int
    name: str
    collision_energy: float = COLLISION_ENERGY

    def __repr__(self) -> str:
        kind = "pseudo-data with truth" if self.truth is not None else "data without labels"
        return f"<Data {self.name}: {len(self.observed)} events, {kind}, seed {self.seed}>"

    def table(self) -> Table:
        """Return the cutflow."""
        columns = (_key("step", "step"), _count("n_events", "events left"))
        return Table("cutflow", f"Cutflow of {self.name}", columns, tuple(self.cutflow))

    def to_pandas(self) -> pd.DataFrame:
        """Return the observed events."""
        return _frame(self.observed)


@dataclass(frozen=True, repr=False)
class RegionEvents(Shown):
    """Events divided into side-bands, signal region and rest.

    Attributes:
        split: the events of each region, and the windows.
        data: where they come from.
        seed: of every random stream, unless a verb is given another.
    """

    split: Split
    data: Data
    seed: int

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(getattr(self.split, name))}" for name in ("sb1", "sr", "sb2", "rest"))
        return f"<RegionEvents {self.split.regions.sr.text} TeV: {counts}>"

    def table(self) -> Table:
        """Return the number of events in each region."""
        rows = [
            (name, window.low, window.high, len(getattr(self.split, name)))
            for name, window in self.split.regions.named().items()
        ]
        columns = (
            *(_key("region", "region"), _number("low", "low [GeV]", 0), _number("high", "high [GeV]", 0)),
            _count("n_events", "events"),
        )
        return Table("regions", "Events", columns, tuple(rows))


@dataclass(frozen=True, repr=False)
class MadeTemplateEvents(Shown):
    """A template.

    Attributes:
        template: its events, in parts.
        mass_fit: the side-band fit that the masses were drawn from.
        regions: what it was made for.
        settings: of the search.
        seed: that it was made with.
    """

    template: Template
    mass_fit: MassFit
    regions: RegionEvents
    settings: SearchSettings
    seed: int

    def __repr__(self) -> str:
        return f"<Template {self.settings.method.name}: {len(self.template)} events, seed {self.seed}>"

    def table(self) -> Table:
        """Return the parts of the template."""
        rows = [
            (index, len(part.events), len(np.unique(part.events.source_id)))
            for index, part in enumerate(self.template.parts)
        ]
        columns = (_count("part", "part"), _count("n_events", "events"), _count("n_sources", "sources"))
        return Table("template", f"Template by {self.settings.method.name}", columns, tuple(rows))

    def to_pandas(self) -> pd.DataFrame:
        """Return the template events."""
        return _frame(self.template.events)


@dataclass(frozen=True, repr=False)
class Scores(Shown):
    """Scored events.

    Attributes:
        observed: events of the signal region.
        template: template events.
        replicas: some template events with scores from replicas of their models; None where the models have none.
        score: the trained models; `of` ranks other events with them.
        crossfit: in which fold events are.
        regions: what they were made for.
        mass_fit: the side-band fit of the search.
        settings: of the search.
        seed: that they were made with.
    """

    observed: ScoredEvents
    template: ScoredEvents
    replicas: ScoredReplicas | None
    score: FittedScore
    crossfit: CrossFit
    regions: RegionEvents
    mass_fit: MassFit
    settings: SearchSettings
    seed: int

    def __repr__(self) -> str:
        n = f"{len(self.observed.score)} observed, {len(self.template.score)} template events"
        return f"<Scores {self.settings.score.name} by {self.settings.classifier.name}: {n}, seed {self.seed}>"

    def of(self, events: Events) -> FloatArray:
        """Return the scores of other events, that no model has seen `(n,)`."""
        return self.score.score(events, self.crossfit.fold(events.source_id))

    def table(self) -> Table:
        """Return quantiles of the scores."""
        levels = (0.5, 0.8, 0.95, 0.99)
        rows: list[Row] = [
            (name, len(part.score), *(float(value) for value in np.quantile(part.score, levels)))
            for name, part in (("observed", self.observed), ("template", self.template))
        ]
        quantiles = tuple(_number(f"quantile_{level:g}", f"{level:.0%} quantile", 3) for level in levels)
        return Table(
            "scores", "Scores (log-odds)", (_key("events", "events"), _count("n", "number"), *quantiles), tuple(rows)
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per scored event."""
        return scored_frame({"observed": self.observed, "template": self.template})


def scored_frame(parts: dict[str, ScoredEvents]) -> pd.DataFrame:
    """Return scored events as a data frame; the column `events` says which they are."""
    import pandas as pd

    return pd.concat([pd.DataFrame({"events": name, **vars(part)}) for name, part in parts.items()], ignore_index=True)


@dataclass(frozen=True, repr=False)
class Counts(Shown):
    """Counts after each cut.

    Attributes:
        counted: model and significance of each cut.
        missing: uncertainties that z does not contain.
        seed: of the toys.
    """

    counted: Sequence[Counted]
    missing: Sequence[str]
    seed: int

    def __repr__(self) -> str:
        found = ", ".join(f"{c.cut.selection.background_efficiency:g}: Z = {c.toys.z:.2f}" for c in self.counted)
        return f"<Counts {found}; WITHOUT {' and '.join(self.missing)}>" if self.missing else f"<Counts {found}>"

    def table(self) -> Table:
        """Return what was counted, expected, and how significant it is."""
        rows = [
            (
                counted.cut.selection.background_efficiency,
                counted.cut.model.n_observed,
                counted.cut.model.n_expected,
                counted.cut.model.uncertainty,
                counted.toys.z,
                counted.toys.p0,
                counted.z_binomial,
            )
            for counted in self.counted
        ]
        columns = (
            Column("background_efficiency", "cut", priority=Priority.KEY),
            *(_count("n_observed", "observed"), _number("n_expected", "expected", 1)),
            *(_number("uncertainty", "uncertainty", 1), _number("z", "Z"), Column("p0", "p0", format=PROBABILITY)),
            _number("z_binomial", "Z_Bi"),
        )
        notes = (f"WITHOUT {' and '.join(self.missing)}",) if self.missing else ()
        return Table("counts", "Counting experiment, local", columns, tuple(rows), notes)


@dataclass(frozen=True, repr=False)
class ClosureResult(Shown):
    """How well a template describes background.

    Attributes:
        closure: what was compared, and how well it can be told apart.
    """

    closure: Closure

    @cached_property
    def auc(self) -> float:
        """AUC of boosted trees, template against background; 0.5 where they cannot be told apart."""
        return self.closure.auc

    @property
    def error(self) -> float:
        """Statistical error of the AUC."""
        return self.closure.found.error

    def __repr__(self) -> str:
        untouched = f"untouched side-bands {self.closure.baseline.auc:.4f}"
        return f"<Closure {self.closure.check.name}: AUC {self.auc:.4f} +- {self.error:.4f} ({untouched})>"

    def table(self) -> Table:
        """Return the AUC beside that of untouched side-band events."""
        row = (self.closure.check.name, self.auc, self.error, self.closure.baseline.auc)
        columns = (
            *(_key("check", "compared with"), _number("auc", "AUC", 4), _number("auc_error", "error", 4)),
            _number("baseline_auc", "untouched side-bands", 4),
        )
        return Table("closure", "Closure of the template", columns, (row,))


@dataclass(frozen=True, repr=False)
class Frames:
    """Rows of an artifact.

    Attributes:
        columns: by name.
    """

    columns: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Frames {len(next(iter(self.columns.values()), []))} rows: {', '.join(self.columns)}>"

    def to_pandas(self) -> pd.DataFrame:
        """Return them as a data frame."""
        import pandas as pd

        return pd.DataFrame({name: list(column) for name, column in self.columns.items()})

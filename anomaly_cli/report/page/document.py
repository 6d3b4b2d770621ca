"""What a report holds, as plain records; HTML and PDF are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from anomaly_cli.report.plots.picture import Plot
from anomaly_cli.report.plots.sources import Sources
from anomaly_cli.report.table import Level, Message, Part, Report


@dataclass(frozen=True)
class Listing:
    """Text that is shown as it is, such as a configuration.

    Attributes:
        title: what it is.
        text: its lines.
    """

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        title: for people; also what links to it are made of.
        parts: tables and sentences.
        plots: pictures, all of which can be drawn.
        listings: texts, folded where the reader can unfold them.
    """

    title: str
    parts: Report = ()
    plots: Sequence[Plot] = ()
    listings: Sequence[Listing] = ()

    @property
    def anchor(self) -> str:
        """What links to it end in."""
        return self.title.lower().replace(" ", "-")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.parts or self.plots or self.listings)


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: what it is of.
        warnings: what has to be read first, each a sentence.
        story: what was done, in sentences.
        sections: everything else.
        sources: what its pictures are drawn from.
        made_by: name and version of the program.
    """

    title: str
    warnings: Sequence[str]
    story: str
    sections: Sequence[Section]
    sources: Sources
    made_by: str = ""
    left_out: Sequence[tuple[str, str]] = field(default_factory=tuple)
    """Pictures that cannot be drawn, and why."""


def split_warnings(report: Report) -> tuple[list[Part], list[str]]:
    """Return a report without its warnings, and these as sentences: they come first, wherever they were said."""
    kept = [part for part in report if not (isinstance(part, Message) and part.level is Level.WARNING)]
    return kept, [part.text for part in report if isinstance(part, Message) and part.level is Level.WARNING]

"""Lays a table out in the width of a terminal: which columns have room, how wide each is, where text is folded.

Numbers are never folded, text only between words. Widths are those of characters on a terminal, where some take two
places and some none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from anomaly_cli.report.notation import visible
from anomaly_cli.report.table import Priority

NARROWEST_TEXT = 16
"""A column of text is not folded into less than this; columns that matter less give way first."""
INDENT = 2
GAPS = (3, 2)
"""Spaces between columns: where there is room, and where there is not."""
_WORDS = re.compile(r"(?:'anomaly [^']*'|\S)+(?: \+- \S+| %\S*)*")
"""What is not folded: words, commands in quotes, a number with its uncertainty or percent sign."""


@dataclass(frozen=True)
class ShownColumn:
    """A column as text.

    Attributes:
        heading: its header.
        cells: its cells.
        is_text: whether cells are folded, and set left.
        priority: which columns give way first.
    """

    heading: str
    cells: tuple[str, ...]
    is_text: bool
    priority: int

    @property
    def widest_cell(self) -> int:
        """Width of the widest cell."""
        return max(map(cell_len, self.cells), default=0)

    @property
    def natural(self) -> int:
        """Width in which nothing is folded."""
        return max(cell_len(self.heading), self.widest_cell)

    @property
    def least(self) -> int:
        """Width that it has to have."""
        heading = _longest_word([self.heading])
        if not self.is_text:
            return max(heading, self.widest_cell)
        return max(heading, min(self.widest_cell, NARROWEST_TEXT), _longest_word(self.cells))

    def needed(self, width: int) -> int:
        """Return the width that it takes where it is folded at `width`."""
        folded = [fold(self.heading, width), *(fold(cell, width) if self.is_text else [cell] for cell in self.cells)]
        return max(cell_len(line) for lines in folded for line in lines)


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in split_words(text)), default=0)


@dataclass(frozen=True)
class Layout:
    """Which columns are shown and how wide; none where they have to be shown below each other.

    Attributes:
        kept: indices of the columns that are shown.
        widths: of these.
        gap: spaces between them.
    """

    kept: tuple[int, ...]
    widths: tuple[int, ...] = ()
    gap: int = GAPS[0]


def split_words(text: str) -> list[str]:
    """Return what text is folded between."""
    return _WORDS.findall(text)


def fold(text: str, width: int) -> list[str]:
    """Return text in lines of at most a width, folded between words; a word that is longer has a line of its own."""
    lines: list[str] = []
    for word in split_words(visible(text)):
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def lay_out(columns: Sequence[ShownColumn], width: int) -> Layout:
    """Return how to show columns in a width: those of the lowest priority are left out, from the right, until they fit.

    Where those that are never left out don't fit either, every column is kept and none has a width.
    """
    kept = list(range(len(columns)))
    while _total([columns[index].least for index in kept], GAPS[-1]) > width:
        optional = [index for index in kept if columns[index].priority < Priority.KEY]
        if not optional:
            return Layout(tuple(range(len(columns))))
        kept.remove(min(optional, key=lambda index: (columns[index].priority, -index)))
    chosen = [columns[index] for index in kept]
    narrowed = zip(chosen, _widths(chosen, width), strict=True)
    widths = tuple(column.needed(size) for column, size in narrowed)
    return Layout(tuple(kept), widths, next((gap for gap in GAPS if _total(widths, gap) <= width), GAPS[-1]))


def _total(widths: Sequence[int], gap: int) -> int:
    return INDENT + sum(widths) + gap * max(len(widths) - 1, 0)


def _widths(columns: Sequence[ShownColumn], width: int) -> list[int]:
    """Return widths that fit: headings are folded before text is, and the widest first."""
    gap = GAPS[0] if _total([column.natural for column in columns], GAPS[0]) <= width else GAPS[-1]
    widths = [column.natural for column in columns]
    least = [column.least for column in columns]
    floors = [max(low, column.widest_cell) for low, column in zip(least, columns, strict=True)]
    for floor in (floors, least):
        while _total(widths, gap) > width:
            free = [index for index, size in enumerate(widths) if size > floor[index]]
            if not free:
                break
            widths[max(free, key=lambda index: widths[index])] -= 1
    return widths


def align(text: str, width: int, is_left: bool) -> str:
    """Return text filled up with spaces to a width."""
    space = " " * max(width - cell_len(text), 0)
    return text + space if is_left else space + text

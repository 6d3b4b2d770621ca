"""Tables about data sets: what `anomaly data` and `anomaly simulate` print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text


def make_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[str] = ()) -> Table:
    """Return a plain table; columns named in `numeric` are set right."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left")
    for header in headers:
        table.add_column(header, justify="right" if header in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as text: a name in a file may look like markup
    return table


def size_text(n_bytes: int) -> str:
    """Return a size as people write it, `not known` for 0."""
    if not n_bytes:
        return "not known"
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"

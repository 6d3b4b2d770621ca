"""The comparison with texts that are kept in `golden/`."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def is_as_kept(name: str, text: str) -> None:
    """Compare a text with the one kept under a name.

    With UPDATE_GOLDEN=1 in the environment the text is kept instead: look at the difference before it is committed.
    """
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()

"""How numbers and words are written: the digits of a column, and the signs of an output format."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

MOST_DIGITS = 6
"""Digits after the point of an uncertainty in brackets, at most."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what a terminal obeys or does not show."""


def visible(text: str) -> str:
    r"""Return text in one line, whose control, formatting and unassigned characters are spelt out, as `\x1b`."""
    if text.isprintable():
        return text
    return "".join(_spelt(char) if unicodedata.category(char) in _INVISIBLE else char for char in text)


def _spelt(char: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
    code = ord(char)
    return named.get(char) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


@dataclass(frozen=True)
class Notation:
    """How one output format writes what cells are made of.

    Attributes:
        words: escapes text; also makes control characters visible.
        number: writes digits, as `2.7e-11`.
        plus_minus: stands between a value and its uncertainty.
        above: stands before a number that the value is larger than.
        below: stands before a number that the value is smaller than.
    """

    words: Callable[[str], str] = visible
    number: Callable[[str], str] = str
    plus_minus: str = " +- "
    above: str = "> "
    below: str = "< "


PLAIN = Notation()


SMALLEST_WRITTEN_OUT, LARGEST_WRITTEN_OUT = 1e-4, 1e6
"""Rounded numbers outside are written with a power of ten."""


@dataclass(frozen=True)
class Format:
    """How the numbers of a column are rounded where people read them.

    Attributes:
        spec: format specification of a number.
        error: that of its uncertainty; `spec` where empty.
        is_percent: whether numbers are written times 100, with a percent sign.
        is_compact: whether an uncertainty is given by two digits, in units of the value's last digit, in brackets.
        is_rounded: whether an uncertainty has two digits and the number ends where they do.
        smallest: positive numbers below it are written as smaller than it.
        between: stands between the ends of a range.
    """

    spec: str = ".6g"
    error: str = ""
    is_percent: bool = False
    is_compact: bool = False
    is_rounded: bool = False
    smallest: float = 0.0
    between: str = " to "

    def number(self, value: float, write: Notation = PLAIN) -> str:
        """Return one number as text."""
        return self._signed(value, self.spec, write)

    def with_error(self, value: float, error: float, write: Notation = PLAIN) -> str:
        """Return a number and its uncertainty as text; without one that is 0 or not known."""
        if not math.isfinite(value) or not 0.0 < error < math.inf:
            return self.number(value, write)
        if not self.is_compact and not self.is_rounded:
            return f"{self.number(value, write)}{write.plus_minus}{self._signed(error, self.error or self.spec, write)}"
        last = 1 - math.floor(math.log10(float(f"{error:.1e}")))
        digits = min(max(0, last), MOST_DIGITS)
        if self.is_compact:
            return write.number(f"{_without_sign_of_zero(f'{value:.{digits}f}')}({10**digits * error:.0f})")
        specs = [f".{digits}f"] * 2
        if value and not SMALLEST_WRITTEN_OUT <= abs(value) < LARGEST_WRITTEN_OUT:
            specs = [f".{max(0, math.floor(math.log10(abs(value))) + last)}e", ".1e"]
        return write.plus_minus.join(self._signed(*pair, write) for pair in zip((value, error), specs, strict=True))

    def _signed(self, value: float, spec: str, write: Notation) -> str:
        if not math.isfinite(value):
            return write.words("NaN" if math.isnan(value) else str(float(value)))
        if 0.0 <= value < self.smallest:
            return f"{write.below}{write.number(format(self.smallest, 'g'))}"
        text = write.number(_without_sign_of_zero(format(100.0 * value if self.is_percent else value, spec)))
        return text + write.words(" %") if self.is_percent else text


def _without_sign_of_zero(text: str) -> str:
    return text[1:] if text.startswith("-") and float(text) == 0.0 else text


GENERAL = Format()
COUNT = Format(".0f")
PERCENT = Format("g", is_percent=True)
"""As of background efficiencies, which are chosen and so have few digits."""
SHARE = Format(".1f", is_percent=True)
"""As of relative uncertainties, which are measured."""
CHANGE = Format("+.1f", is_percent=True)
"""As of corrections."""
PROBABILITY = Format(".2g", error=".1g")
WINDOW = Format(".4g", between="-")
"""Of mass windows in TeV, as on the command line."""
COMPACT = Format(".3g", is_compact=True)
ROUNDED = Format(".4g", is_rounded=True)


def fixed(digits: int) -> Format:
    """Return the format with so many digits after the point."""
    return Format(f".{digits}f")

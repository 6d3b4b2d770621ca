"""A user's own systematic uncertainties: what they shift, by how much, and where the same effect acts as well."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest, refuse_unknown

BACKGROUND, SIGNAL = "background", "signal"
TARGETS = (BACKGROUND, SIGNAL)
CORRELATED = ("all", "cuts", "regions", "none")
"""Where one effect acts: on all cuts of all regions, on the cuts of one region, on one cut of all regions, on one."""
MIRRORED = "mirrored"
"""Down is the inverse of up: the factor is log-normal."""
LARGEST = 1.0
"""A larger relative shift is a mistake."""
RESERVED = ("norm", "template", "model", "closure", "kfold", "mu", "rate", "mode")
"""Names that parameters of workspaces start with."""
KEYS = ("up", "down", "on", "correlated")


@dataclass(frozen=True)
class Systematic:
    """One effect.

    Attributes:
        name: of the effect.
        up: relative shift at plus one standard deviation, for each cut in the order of the count.
        down: at minus one standard deviation; of the other sign, or 0.
        on: `background` (the fraction of it that passes a cut) or `signal` (its efficiency).
        correlated: where the same effect acts, one of `CORRELATED`.
    """

    name: str
    up: tuple[float, ...]
    down: tuple[float, ...]
    on: str = BACKGROUND
    correlated: str = "all"

    def parameter(self, region: str, cut: str) -> str:
        """Return the name of its nuisance parameter in one test: equal where the effect is the same."""
        return {
            "all": self.name,
            "cuts": f"{self.name}_{region}",
            "regions": f"{self.name}_{cut}",
            "none": f"{self.name}_{region}_{cut}",
        }[self.correlated]


def read_systematics(tables: Mapping[str, Any], n_cuts: int) -> tuple[Systematic, ...]:
    """Return systematics from tables of settings by name.

    Args:
        tables: for each name `up` and, where it is not mirrored, `down` (a number, or one for each cut), `on` and
            `correlated`.
        n_cuts: number of cuts.

    Raises:
        ConfigError: for a name or key that is not known, or a shift that cannot be meant.
    """
    return tuple(_read(name, table, n_cuts) for name, table in tables.items())


def _read(name: str, table: Any, n_cuts: int) -> Systematic:
    where = f"significance.systematics.{name}"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name.partition("_")[0] in RESERVED:
        raise ConfigError(
            f"{where}: is no name for a systematic; take letters, digits and _, and do not start with"
            f" {', '.join(RESERVED)}"
        )
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: must be a table, as in {{up = 0.03, down = -0.02}}, not {table!r}")
    refuse_unknown(table, KEYS, where)
    if "up" not in table:
        raise ConfigError(f"{where}: needs up, the relative shift at plus one standard deviation, as in up = 0.03")
    on, correlated = table.get("on", BACKGROUND), table.get("correlated", CORRELATED[0])
    for key, value, known in (("on", on, TARGETS), ("correlated", correlated, CORRELATED)):
        if value not in known:
            raise ConfigError(f"{where}: {key} = {value!r} is not known; {nearest(str(value), known)}")
    up = _shifts(where, "up", table["up"], n_cuts)
    if table.get("down", MIRRORED) == MIRRORED:
        down = tuple(1.0 / (1.0 + shift) - 1.0 for shift in up)
        for shift, mirrored in zip(up, down, strict=True):
            if mirrored > LARGEST:
                raise ConfigError(
                    f"{where}: up = {shift:g} mirrors to {100 * mirrored:+.0f} %, a shift of more than 100 %; say what"
                    " down is, or take a smaller shift"
                )
    else:
        down = _shifts(where, "down", table["down"], n_cuts)
    if any(high * low > 0.0 for high, low in zip(up, down, strict=True)):
        raise ConfigError(
            f"{where}: up and down shift the same way, which has no best fit; give one of them as 0, or leave down out"
            " and up is mirrored"
        )
    return Systematic(name, up, down, on, correlated)


def _shifts(where: str, key: str, value: Any, n_cuts: int) -> tuple[float, ...]:
    values: Sequence[Any] = value if isinstance(value, list | tuple) else [value] * n_cuts
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in values):
        raise ConfigError(f"{where}: {key} = {value!r} must be a number, or a list with one for each cut")
    if len(values) != n_cuts:
        raise ConfigError(f"{where}: {key} has {len(values)} numbers for {n_cuts} cuts; name one for each cut")
    for shift in values:
        if not -LARGEST < shift <= LARGEST:
            raise ConfigError(
                f"{where}: {key} = {shift:g} is a shift of 100 % or more; shifts are relative, write 3 % as 0.03"
            )
    return tuple(float(shift) for shift in values)

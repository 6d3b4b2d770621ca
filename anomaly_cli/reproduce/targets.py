"""What is to be reproduced: one TOML file each, found in `targets/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from anomaly_cli.config import read_toml
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import build_record, nearest

QUICK, STANDARD, PAPER = SCALES = ("quick", "standard", "paper")
"""Minutes on two cores; a night on the stand-in; what the paper did, on its data."""
NO_EVENTS, LABELLED, SIMULATED = DATA = ("none", "labelled", "labelled and simulation")
"""What a target needs: nothing, labelled events, or simulated background of another generator as well."""
FOLDER = Path(__file__).parent / "targets"


@dataclass(frozen=True)
class Series:
    """One method of a table, or one line of a figure.

    Attributes:
        name: as it is shown.
        published: what the published rows call it, by default its name; `{quantity}` where that is the quantity's.
        settings: what its jobs have on top of the target's.
        waits_for: what has to be there before it can be run; empty where nothing has.
        found: by quantity, what its results are called where that is not as the quantity says; empty for none.
        note: where ours is not the paper's.
    """

    name: str
    published: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    waits_for: str = ""
    found: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Quantity:
    """What is compared.

    Attributes:
        name: as it is shown.
        found: what the results of a job call it; `{x}` stands for the x of a value.
        published: what the published rows call it; by default its name.
        factor: what ours are multiplied by to have the published unit.
        settings: what its jobs have on top of the series'.
        waits_for: what has to be there before it can be run; empty where nothing has.
        compares: whether a difference from the published value says anything; the notes say why where it does not.
    """

    name: str
    found: str = ""
    published: str = ""
    factor: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    waits_for: str = ""
    compares: bool = True


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Attributes:
        seeds: number of seeds.
        x: values of x as the paper writes them; none where there is one value only.
        cpu_minutes: CPU time of one job, about, on the events that it is meant for.
        settings: what jobs have below those of series and quantities.
    """

    seeds: int = 1
    x: tuple[str, ...] = ()
    cpu_minutes: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError("scale: needs seeds >= 1")


@dataclass(frozen=True)
class Target:
    """One table or figure of the papers.

    Attributes:
        name: that of its file.
        title: one line.
        papers: where its values were published.
        kind: kind of experiment, one of `kinds.KINDS`.
        published: files of published rows, in `published/`.
        tables: tables of these rows that are meant; none for all.
        spread_over: by table, or by table and quantity with a blank between, over how many values its errors are
            standard deviations; 0 where so many that the number is not told. Errors of others are those of the values.
        data: one of `DATA`.
        x: what x is; empty where there is one value only.
        x_sets: dotted setting of a job that x sets; empty where it sets none.
        x_factor: what a numeric x is multiplied by to be that setting.
        published_x: x in the published rows, where it is not that of the scale.
        n_background: background events of the paper's file; injections are scaled to equal S/sqrt(B).
        settings: of all jobs.
        series: its methods.
        quantities: what is compared.
        scales: how much is run.
        waits_for: what has to be there before any of it can be run; empty where nothing has.
        notes: where ours is not what the paper did, and likely reasons for differences.
    """

    name: str
    title: str
    papers: tuple[str, ...]
    kind: str
    published: tuple[str, ...]
    series: tuple[Series, ...]
    quantities: tuple[Quantity, ...]
    scales: Mapping[str, Scale]
    tables: tuple[str, ...] = ()
    spread_over: Mapping[str, int] = field(default_factory=dict)
    data: str = NO_EVENTS
    x: str = ""
    x_sets: str = ""
    x_factor: float = 1.0
    published_x: Mapping[str, str] = field(default_factory=dict)
    n_background: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    waits_for: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data not in DATA:
            raise ConfigError(f"target {self.name}: data '{self.data}' is not known; {nearest(self.data, DATA)}")
        missing = [] if self.waits_for else [scale for scale in SCALES if scale not in self.scales]
        if missing or not set(self.scales) <= set(SCALES):
            raise ConfigError(f"target {self.name}: needs the scales {', '.join(SCALES)} and no others")

    def scale(self, name: str) -> Scale:
        """Return how much is run at a scale.

        Raises:
            ConfigError: where there is no such scale, or the target waits for something.
        """
        if name not in SCALES:
            raise ConfigError(f"--scale {name}: is not known; {nearest(name, SCALES)}")
        if self.waits_for:
            raise ConfigError(
                f"target {self.name} cannot be run yet: it waits for {self.waits_for}; 'anomaly reproduce show"
                f" {self.name}' tells of it"
            )
        return self.scales[name]


def find_targets() -> dict[str, Path]:
    """Return the files of all targets by name, in alphabetical order."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


@cache
def load_target(name: str) -> Target:
    """Return a target.

    Raises:
        ConfigError: where there is none of that name.
    """
    found = find_targets()
    if name not in found:
        raise ConfigError(f"no target is called '{name}'; {nearest(name, found)} ('anomaly reproduce list' shows all)")
    return parse_target(name, read_toml(found[name]))


def parse_target(name: str, tree: dict[str, Any]) -> Target:
    """Return the target of a declaration.

    Raises:
        ConfigError: for a name or value that cannot be used.
    """
    where = f"target {name}"
    nested: dict[str, Any] = {
        "series": tuple(build_record(Series, one, f"{where}: series") for one in tree.pop("series", [])),
        "quantities": tuple(build_record(Quantity, one, f"{where}: quantities") for one in tree.pop("quantities", [])),
        "scales": {key: build_record(Scale, one, f"{where}: {key}") for key, one in tree.pop("scales", {}).items()},
    }
    kept: dict[str, Any] = {"series": (), "quantities": (), "scales": {}}
    outer = {"waits_for": "...", "name": name, **tree, **kept}
    checked = vars(build_record(Target, outer, where))
    return Target(**{**checked, **nested, "waits_for": tree.get("waits_for", "")})

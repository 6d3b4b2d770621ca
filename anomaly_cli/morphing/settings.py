"""Settings of `anomaly morph`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from dataclasses import dataclass, field

import tomli_w

from anomaly_cli.core.compute import CPU
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.records import nearest

MORPH_CONFIG_NAME = "morph.toml"
"""The resolved configuration beside the artifacts of a morph."""
VARIANTS = ("base_transfer", "unidirectional", "flows_for_flows")
DIRECTIONS = {"base_transfer": (), "unidirectional": ("inverse", "forward"), "flows_for_flows": ("both", "alternate")}
"""Training directions of each variant; the first is the default."""
CHOICES = {
    "variant": VARIANTS,
    "direction": ("default", "forward", "inverse", "alternate", "both"),
    "start": ("auto", "identity", "base_transfer", "random"),
    "context": ("difference", "concatenation", "one_per_side", "none"),
    "condition": ("own", "drawn"),
    "penalty": ("none", "l1", "l2"),
    "scaling": ("linear", "quantile"),
}


def check_choice(where: str, setting: str, value: str) -> None:
    """Refuse a word that the setting does not know.

    Raises:
        ConfigError: for an unknown word.
    """
    if value not in CHOICES[setting]:
        raise ConfigError(f"{where}: {setting} '{value}' is not known; {nearest(value, CHOICES[setting])}")


@dataclass(frozen=True)
class MorphDataSettings:
    """What is moved into what.

    Attributes:
        source: an HDF5, CSV or npz file, or a toy, as `toy:ring` or `toy:ring:rotation`.
        target: likewise.
        columns: features, in order; empty for all columns that are no condition.
        conditions: columns that the features depend on; may be empty.
        events: points of a toy.
        test_fraction: events of each side kept out of the training, to measure the result on.
    """

    source: str = ""
    target: str = ""
    columns: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    events: int = 60_000
    test_fraction: float = 0.3

    def __post_init__(self) -> None:
        if not 0.05 <= self.test_fraction <= 0.9:
            raise ConfigError(f"data: test_fraction = {self.test_fraction:g} is outside [0.05, 0.9]; 0.3 is usual")
        both = sorted(set(self.columns) & set(self.conditions))
        if both:
            raise ConfigError(f"data: column '{both[0]}' is both a feature and a condition; name it once")


@dataclass(frozen=True)
class FlowSettings:
    """Size and training of one kind of flow.

    Attributes:
        transforms: spline transforms.
        hidden: widths of the hidden layers.
        bins: spline bins.
        epochs: epochs at most.
        batch_size: events per step.
        learning_rate: largest learning rate.
        patience: epochs without improvement before a training stops.
    """

    transforms: int = 2
    hidden: tuple[int, ...] = (128, 128)
    bins: int = 32
    epochs: int = 20
    batch_size: int = 1024
    learning_rate: float = 5e-3
    patience: int = 20

    def __post_init__(self) -> None:
        counts = (self.transforms, self.epochs, self.batch_size, self.patience, min(self.hidden, default=0))
        if min(counts) < 1 or self.bins < 2 or self.learning_rate <= 0.0:
            raise ConfigError(
                "flow: transforms, widths, epochs, batch size and patience must be 1 or more, bins 2 or more and the"
                " learning rate above 0"
            )


@dataclass(frozen=True)
class TransportSettings(FlowSettings):
    """Size and training of the transport; it has two densities' worth of shape to learn."""

    transforms: int = 4


@dataclass(frozen=True)
class MorphSettings:
    """How one data set is moved into another.

    Attributes:
        variant: `base_transfer`, `unidirectional` or `flows_for_flows`.
        direction: `forward` or `inverse` of unidirectional, `alternate` or `both` of flows for flows, or
            `default` (the first of these).
        context: what the transport sees of the two conditions: their `difference`, their
            `concatenation`, `one_per_side` (the transforms near a side see its condition) or `none`.
        condition: events keep their `own` condition, or are moved to conditions `drawn` from the target.
        penalty: on movement of the scaled features: `none`, `l1` or `l2` (squared).
        penalty_weight: against one unit of log-likelihood.
        annealed: whether the weight falls to 0 until the end of the training.
        start: where the training of the transport starts: at the `identity`, at the `base_transfer` (flows for
            flows only; the transport is then made of copies of both densities, and `transport` sets its training
            alone, at a fifth of the learning rate), or at `random` weights. `auto` is the identity for sides that
            are alike, and the base transfer of flows for flows where leaving the events as they are costs more
            than half a unit of log-likelihood per event.
        scaling: features are scaled alike on both sides: `linear`, or by the `quantile` of both sides
            together to a normal, for heavy tails.
        transport: the transport.
        density: the densities.
    """

    variant: str = "flows_for_flows"
    direction: str = "default"
    context: str = "concatenation"
    condition: str = "own"
    penalty: str = "none"
    penalty_weight: float = 0.1
    annealed: bool = False
    start: str = "auto"
    scaling: str = "linear"
    transport: TransportSettings = field(default_factory=TransportSettings)
    density: FlowSettings = field(default_factory=FlowSettings)

    def __post_init__(self) -> None:
        for name in CHOICES:
            check_choice("flows", name, getattr(self, name))
        usable = DIRECTIONS[self.variant]
        if self.direction not in ("default", *usable):
            raise ConfigError(
                f"flows: direction '{self.direction}' does not fit variant {self.variant}, which has"
                f" {' and '.join(usable) or 'none'}; forward and inverse need one density (unidirectional), alternate"
                " and both need two (flows_for_flows)"
            )
        if self.start == "base_transfer" and self.variant != "flows_for_flows":
            raise ConfigError(
                "flows: start base_transfer needs the densities of both sides, which variant flows_for_flows trains"
            )
        if not 0.0 < self.penalty_weight < math.inf:
            raise ConfigError("flows: penalty_weight must be above 0; penalty = none switches it off")
        if self.context == "one_per_side" and self.transport.transforms < 2:
            raise ConfigError("flows: context one_per_side needs 2 transforms or more, some for each side")
        if self.context == "difference" and self.condition == "own":
            raise ConfigError(
                "flows: events that keep their own condition differ by 0 in it; use context concatenation or drawn"
                " conditions"
            )

    @property
    def trained_direction(self) -> str:
        """The direction, the default resolved; empty for base transfer."""
        usable = DIRECTIONS[self.variant]
        return next(iter(usable), "") if self.direction == "default" else self.direction


@dataclass(frozen=True)
class MorphConfig:
    """Everything that a morph depends on.

    Attributes:
        seed: seed of every random stream.
        threads: threads; part of the provenance, since it can change rounding.
        device: where flows are trained: `cpu`, `cuda`, or `auto`; part of the provenance as well.
        data: what is moved into what.
        flows: how.
    """

    seed: int = 1
    threads: int = 1
    device: str = CPU
    data: MorphDataSettings = field(default_factory=MorphDataSettings)
    flows: MorphSettings = field(default_factory=MorphSettings)

    def __post_init__(self) -> None:
        if self.seed < 0 or self.threads < 1 or self.data.events < 1:
            raise ConfigError("configuration: needs seed >= 0, threads >= 1 and data.events >= 1")

    def to_toml(self) -> str:
        """Return the whole configuration, defaults included, as TOML that `--config` reads."""
        return tomli_w.dumps(dataclasses.asdict(self))


def refuse_idle(config: MorphConfig, given: Collection[str]) -> None:
    """Refuse settings that were given just now and would do nothing.

    Args:
        config: the configuration.
        given: names of the settings that were given, as `flows.penalty`; those of a file may be idle.

    Raises:
        ConfigError: for the first that would.
    """
    flows = config.flows
    sides = (config.data.source, config.data.target)
    has_conditions = bool(config.data.conditions) or all(side.count(":") > 1 for side in sides)
    no_price = "without a penalty; add --set flows.penalty=l1 or l2"
    no_transport = "in variant base_transfer, which trains no transport; use unidirectional or flows_for_flows"
    no_conditions = "without a condition; name columns with --condition, or write a toy as toy:ring:rotation"
    is_idle = {
        "penalty_weight": (flows.penalty == "none", no_price),
        "annealed": (flows.penalty == "none" and flows.annealed, no_price),
        "penalty": (flows.penalty != "none" and flows.variant == "base_transfer", no_transport),
        "start": (flows.start != "auto" and flows.variant == "base_transfer", no_transport),
        "condition": (flows.condition == "drawn" and not has_conditions, no_conditions),
        "context": (flows.context == "one_per_side" and not has_conditions, no_conditions),
    }
    for name, (does_nothing, reason) in is_idle.items():
        if does_nothing and f"flows.{name}" in given:
            raise ConfigError(f"flows: {name} does nothing {reason}, or leave it out")

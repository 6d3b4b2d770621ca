"""Combined: the templates of several methods side by side, their classifiers' scores averaged.

References:
    T. Golling et al., "The Interplay of Machine Learning-based Resonant Anomaly Detection Methods", 2023,
    arXiv:2307.11157.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import Arrays, under
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import concatenate
from anomaly_cli.core.seen import Need, Seen, TrainingRow
from anomaly_cli.methods.base import COMBINED, METHODS, FittedTemplate, Request, Sample, TemplateMethod


@dataclass(frozen=True)
class Combined(TemplateMethod):
    """Settings of the combination.

    Every method gives an equal share of the template. By the score `combined`, the classifier is trained once against
    each share, every event is scored by all of them, and the scores are averaged.

    Attributes:
        methods: the methods; they may need side-bands only.
        settings: their settings by method, over those of `methods.NAME`.
    """

    name: ClassVar[str] = "combined"
    summary: ClassVar[str] = "several methods' templates; the scores of their classifiers are averaged"
    reference: ClassVar[str] = "arXiv:2307.11157"
    score: ClassVar[str] = COMBINED

    methods: tuple[str, ...] = ("curtains_f4f", "drapes")
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.methods) < 2 or len(set(self.methods)) < len(self.methods) or self.name in self.methods:
            raise ConfigError(f"method {self.name}: methods must name two or more different methods, as curtains_f4f")
        for name in self.settings:
            if name not in self.methods:
                raise ConfigError(f"method {self.name}: settings of '{name}', which is not among its methods")
        for name, method in self._made().items():
            if method.needs != {Need.SIDE_BANDS} or method.chooses_mass:
                raise ConfigError(
                    f"method {self.name}: '{name}' cannot be combined, since it does not make events at wanted masses"
                    " from the side-bands alone; 'anomaly methods' shows what each needs"
                )

    def configure(self, settings: Mapping[str, Mapping[str, Any]]) -> Combined:
        """Return the combination with every setting of its methods written out, so that a change of one shows."""
        given = {name: {**settings.get(name, {}), **self.settings.get(name, {})} for name in self.methods}
        made = replace(self, settings=given)._made()
        return replace(self, settings={name: asdict(method) for name, method in made.items()})

    def _made(self) -> dict[str, TemplateMethod]:
        return {name: METHODS.make(name, self.settings.get(name, {})) for name in self.methods}

    @property
    def members(self) -> list[TemplateMethod]:
        """The methods."""
        return list(self._made().values())

    @property
    def mixes_sources(self) -> bool:
        """Whether one of the methods does."""
        return any(method.mixes_sources for method in self.members)

    def fit(self, seen: Seen, compute: Compute) -> FittedCombined:
        """Train every method."""
        fitted = {name: method.fit(seen, compute.child(name)) for name, method in self._made().items()}
        return FittedCombined(fitted)

    def load(self, arrays: Arrays, seen: Seen) -> FittedCombined:
        """Rebuild every method from the arrays of the model artifact."""
        parts = {}
        for name, method in self._made().items():
            parts[name] = method.load(under(f"{name}:", arrays), seen)
        return FittedCombined(parts)


class FittedCombined(FittedTemplate):
    """Several trained methods."""

    def __init__(self, parts: dict[str, FittedTemplate]) -> None:
        self.parts = parts
        self.training = [
            TrainingRow(f"{name}: {row.part}", row.epoch, row.training_loss, row.validation_loss, row.learning_rate)
            for name, part in parts.items()
            for row in part.training
        ]
        names = dict.fromkeys(name for part in parts.values() for name in part.n_clipped_training)
        self.n_clipped_training = {
            name: max(part.n_clipped_training.get(name, 0) for part in parts.values()) for name in names
        }

    def sample(self, request: Request, compute: Compute) -> Sample:
        """Return one event per mass wanted, each method in turn; `component` says which."""
        n, order = len(request), np.arange(len(request)) % len(self.parts)
        samples = [
            part.sample(Request(request.masses[order == index]), compute.child(name))
            for index, (name, part) in enumerate(self.parts.items())
        ]
        component = np.repeat(np.arange(len(samples)), [len(sample.events) for sample in samples])
        events = replace(concatenate([sample.events for sample in samples]), event_id=np.arange(n))
        n_clipped = np.stack([sample.n_clipped for sample in samples]).sum(axis=0)
        return Sample(events, n_clipped, component)

    def replicas(self) -> list[FittedCombined]:
        """Return the combinations of the methods' replicas; none where one of them has none."""
        found = zip(*(part.replicas() for part in self.parts.values()), strict=False)
        return [FittedCombined(dict(zip(self.parts, parts, strict=True))) for parts in found]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of every method under its name."""
        return {f"{name}:{key}": a for name, part in self.parts.items() for key, a in part.to_arrays().items()}

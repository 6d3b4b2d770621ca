"""The cutflow: no event disappears unseen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from anomaly_cli.core.errors import DataError


@dataclass
class Cutflow:
    """Steps of a selection with the number of events left after each.

    Attributes:
        steps: `(name, number of events left)` in order.
    """

    steps: list[tuple[str, int]] = field(default_factory=list)

    def add(self, name: str, n_left: int) -> None:
        """Record that `n_left` events remain after the step `name`.

        Raises:
            DataError: where a step would make events.
        """
        if self.steps and n_left > self.steps[-1][1]:
            raise DataError(
                f"cutflow: step '{name}' leaves {n_left} events of {self.steps[-1][1]}; a cut cannot add any"
            )
        self.steps.append((name, n_left))

    def columns(self) -> dict[str, list[Any]]:
        """Return the steps as the columns of an artifact."""
        return {"step": [step for step, _ in self.steps], "n_events": [n_left for _, n_left in self.steps]}

    def add_events(self, name: str, n_after: int) -> None:
        """Record that events of other files joined, which makes `n_after` in all."""
        self.steps.append((name, n_after))

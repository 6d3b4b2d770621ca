"""Settings of the classifier; imports nothing heavy, so that the command line starts fast."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_cli.core.errors import ConfigError


@dataclass(frozen=True)
class ClassifierSettings:
    """Ensembles of boosted trees in k folds.

    Attributes:
        folds: number of folds; an event is scored by models trained on the other folds.
        ensemble: models per fold whose log-odds are averaged.
        iterations: boosting iterations at most.
        leaves: leaves per tree at most.
        learning_rate: shrinkage.
        validation_fraction: part of the training events that decides when boosting stops.
        patience: iterations without improvement before boosting stops.
    """

    folds: int = 5
    ensemble: int = 20
    iterations: int = 200
    leaves: int = 31
    learning_rate: float = 0.1
    validation_fraction: float = 0.1
    patience: int = 10

    def __post_init__(self) -> None:
        if self.folds < 2 or self.ensemble < 1 or self.iterations < 1 or self.leaves < 2:
            raise ConfigError("classifier: needs folds >= 2, ensemble >= 1, iterations >= 1 and leaves >= 2")
        if not (0.0 < self.learning_rate <= 1.0 and 0.0 < self.validation_fraction < 1.0 and self.patience >= 1):
            raise ConfigError(
                "classifier: needs learning_rate in (0, 1], validation_fraction in (0, 1) and patience >= 1"
            )

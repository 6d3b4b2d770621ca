"""Training curves as the columns of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anomaly_cli.core.seen import TrainingRow


def training_columns(rows: Sequence[TrainingRow]) -> Mapping[str, Any]:
    """Return training curves as the columns of the schema."""
    return {
        "part": np.array([row.part for row in rows], dtype=np.str_),
        "epoch": [row.epoch for row in rows],
        "training_loss": [row.training_loss for row in rows],
        "validation_loss": [row.validation_loss for row in rows],
        "learning_rate": [row.learning_rate for row in rows],
    }

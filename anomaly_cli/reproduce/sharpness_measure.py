"""How sharp the minima are that the networks of a search were trained into."""

from __future__ import annotations

import numpy as np

from anomaly_cli.classifiers.minima import RADII
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.template import Template
from anomaly_cli.scores.base import Ranking
from anomaly_cli.search.rank import Ranked
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.sharpness import measure_folds, networks_of
from anomaly_cli.search.split import Split


def measure_minima(
    ranked: Ranked, split: Split, template: Template, search: SearchSettings, compute: Compute
) -> dict[str, float]:
    """Return means over folds: rise of the loss by relative distance, largest curvature, loss seen and unseen.

    Raises:
        ConfigError: where the search does not rank by networks.
    """
    networks = networks_of(ranked.score, search.score.name)
    contest = Ranking(networks.classifier, search.kfold, ranked.crossfit).contest(split.sr, template)
    folds = measure_folds(networks, contest, compute.child("sharpness"))
    rises = np.mean([one.sharpness.rises for one in folds], axis=0)
    found = {f"rise@{radius:g}": float(rise) for radius, rise in zip(RADII, rises, strict=True)}
    found["curvature"] = float(np.mean([one.sharpness.curvatures[0] for one in folds]))
    found["loss"] = float(np.mean([one.sharpness.loss for one in folds]))
    return found | {"loss_unseen": float(np.mean([one.loss_unseen for one in folds]))}

"""Label permutation fits the score of the analysis, whichever it is, where labels can be permuted at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from anomaly_cli.artifacts import schema
from anomaly_cli.config import load_config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.seen import Need
from anomaly_cli.scores.base import FittedScore, Score
from anomaly_cli.stages.frame import Analysis, execute
from anomaly_cli.studies.permutation import PERMUTATION

N_PERMUTATIONS = 5
fits = []
"""Events that the score was fitted to: observed, template, side-bands."""


class Remembered(FittedScore):
    def __init__(self, ids):
        self.ids = ids

    def score(self, events, fold):
        return np.isin(events.event_id, self.ids) + events.features[:, 0] * 1e-9

    def to_arrays(self):
        return {"ids": self.ids}


@dataclass(frozen=True)
class Memory(Score):
    """Ranks what it is told is observed first, so that every permutation has an excess."""

    name: ClassVar[str] = "memory"
    summary: ClassVar[str] = "recognises observed events"
    reference: ClassVar[str] = "nobody"
    is_exchangeable: ClassVar[bool] = True

    def fit(self, seen, template, ranking, compute):
        observed = seen.need(Need.SR_FEATURES)
        fits.append((observed, template.events, seen.side_bands))
        return Remembered(observed.event_id)

    def load(self, arrays, ranking):
        return Remembered(arrays["ids"])


@dataclass(frozen=True)
class Undeclared(Memory):
    name: ClassVar[str] = "undeclared"
    is_exchangeable: ClassVar[bool] = False


@dataclass(frozen=True)
class WithTruth(Memory):
    name: ClassVar[str] = "with_truth"
    needs: ClassVar[frozenset] = Memory.needs | {Need.TRUTH}


def analysis_of(directory, score):
    config = load_config([directory / "config.toml"], [f"significance.permutations={N_PERMUTATIONS}"], {})
    analysis = Analysis.open(directory, config)
    vars(analysis)["settings"] = replace(analysis.settings, score=score)
    return analysis


def test_a_score_of_another_package_is_fitted_to_every_permutation(copied):
    fits.clear()
    analysis = analysis_of(copied, Memory())
    execute(PERMUTATION, analysis)
    z = analysis.run.read_file(analysis.run.artifact(schema.PERMUTATION), schema.PERMUTATION).groups["permutations"]
    assert len(fits) == N_PERMUTATIONS + 1  # once more with true labels
    assert z["z"].shape == (N_PERMUTATIONS, 2)
    assert (z["z"] > 5.0).all()  # whatever it is told, so it is this score that is counted
    n_observed = len(analysis.run.read(schema.SPLIT).groups["sr"]["mjj"])
    assert {len(observed) for observed, _, _ in fits} == {n_observed}
    assert len({tuple(observed.event_id.tolist()) for observed, _, _ in fits}) == len(fits)


def test_a_side_band_event_shares_the_fold_of_what_was_made_from_it_and_of_nothing_else(copied):
    fits.clear()
    analysis = analysis_of(copied, Memory())
    execute(PERMUTATION, analysis)
    sources = analysis.run.read(schema.TEMPLATE).groups["events"]["source_id"]
    n_used = len(np.unique(sources))
    for observed, made, bands in fits:
        ids = np.concatenate([observed.source_id, made.source_id])
        assert len(np.unique(ids)) == len(ids)
        assert np.isin(bands.source_id, ids).sum() == n_used
        assert len(np.unique(bands.source_id)) == len(bands)


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (Undeclared(), "score undeclared does not train .*is_exchangeable"),
        (WithTruth(), "score with_truth needs truth"),
    ],
)
def test_a_score_that_a_permutation_cannot_serve_is_refused_by_what_it_declares(copied, score, sentence):
    with pytest.raises(ConfigError, match=sentence):
        execute(PERMUTATION, analysis_of(copied, score))

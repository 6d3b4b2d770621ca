from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from conftest import invoke
from toys import blind, compute

from anomaly_cli.artifacts.store import read_any
from anomaly_cli.core.events import make_events
from anomaly_cli.scores.base import FittedScore
from anomaly_cli.search.explain import MOST_EVENTS, N_BINS, Placed, explain

N_SIGNAL = 200


@dataclass(frozen=True)
class FirstTwo(FittedScore):
    """Ranks by the sum of two features in the first fold, and by that and a constant in the others."""

    def score(self, events, fold):
        return events.features[:, 0] + events.features[:, 1] + 100.0 * fold

    def to_arrays(self):
        return {}


def placed(n, seed, n_signal=0):
    """Background, with signal that is large in the first feature and nowhere else."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3)) * [1.0, 0.2, 1.0]
    x[:n_signal, 0] += 4.0
    ids = 100_000 * seed + np.arange(n)
    return Placed(make_events(np.full(n, 3500.0), x, ("strong", "weak", "unused"), ids), np.arange(n) % 3)


@pytest.fixture(scope="module")
def found():
    return explain(FirstTwo(), placed(6000, 1, N_SIGNAL), placed(24_000, 2), (0.05, 0.01), compute())


def test_an_excess_is_lost_without_the_feature_that_makes_it_and_kept_without_one_that_is_not_used(found):
    for cut in (0.05, 0.01):
        by_name = {one.feature: one for one in found.importances if one.background_efficiency == cut}
        excess = by_name["strong"].excess
        assert excess == pytest.approx((N_SIGNAL * 0.99) / np.sqrt(cut * 6000), rel=0.15)
        assert by_name["unused"].excess_without == pytest.approx(excess)
        assert by_name["unused"].spread == 0.0
        assert abs(by_name["strong"].excess_without) < 4.0
        assert by_name["weak"].excess_without == pytest.approx(excess, rel=0.1)


def test_distributions_count_every_event_that_passes_and_show_where_it_lies(found):
    for one in found.distributions:
        assert len(one.edges) == N_BINS + 1
        assert one.n_all.sum() == pytest.approx(6000)
        expected = one.n_expected.sum()
        assert expected == pytest.approx(one.background_efficiency * 6000, rel=0.02)
        assert one.n_selected.sum() > expected
    strong = next(one for one in found.distributions if one.feature == "strong")
    assert np.argmax(strong.n_selected - strong.n_expected) > N_BINS / 2


def test_the_most_signal_like_events_are_compared_by_their_place_in_the_template_of_their_fold(found):
    """Scores of folds lie 100 apart here, and events of all are listed evenly all the same."""
    assert len(found.order) == MOST_EVENTS
    assert (np.diff(found.tail) >= 0.0).all()
    assert found.tail[0] > 0.0
    folds = np.bincount(placed(6000, 1, N_SIGNAL).fold[found.order], minlength=3)
    assert folds.min() > MOST_EVENTS / 6
    assert (found.order < N_SIGNAL).mean() > 0.8


def test_explain_shows_tables_and_hides_a_blinded_region(copied):
    result = invoke("explain", "--run", copied, "--quiet")
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "Which features drive the score" in text
    assert "The most signal-like events" in text
    groups = read_any(copied / "explanation.h5").groups
    assert set(groups["importance"]["feature"]) == {"mj1", "delta_mj", "tau21_j1", "tau21_j2", "delta_r_jj"}
    sr = read_any(copied / "split.h5").groups["sr"]["event_id"]
    assert np.isin(groups["events"]["event_id"], sr).all()
    run = blind(copied)
    refused = invoke("explain", "--run", run, "--overwrite")
    assert refused.exit_code != 0
    assert "is blinded for these settings" in " ".join(refused.output.split())
    inspected = invoke("inspect", run / "explanation.h5").output
    assert inspected.count("not shown, the signal region is blinded") == 3

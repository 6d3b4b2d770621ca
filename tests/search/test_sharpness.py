from __future__ import annotations

import numpy as np
import pytest
from conftest import invoke
from toys import compute

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.classifiers.base import Draws, Labelled
from anomaly_cli.classifiers.kfold import Contest, train_in_folds
from anomaly_cli.classifiers.minima import N_CURVATURES, RADII, mean_loss, measure_sharpness
from anomaly_cli.classifiers.mlp import MLP, Standardisation
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.config import load_config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.events import make_events
from anomaly_cli.core.folds import KFold, assign_folds
from anomaly_cli.core.streams import Streams
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.scores.base import FittedEnsembles
from anomaly_cli.search.sharpness import measure_folds, networks_of
from anomaly_cli.stages.frame import Analysis, execute
from anomaly_cli.stages.sharpness import SHARPNESS

NETWORK = MLP(ensemble=2, hidden=(8,), epochs=6, learning_rate=0.02, batch_size=64, best_epochs=2)


def contest(n=400):
    rng = np.random.default_rng(3)
    names = ("x", "y", "z")
    sets = [
        make_events(np.full(size, 3500.0), rng.standard_normal((size, 3)) + shift, names, first + np.arange(size))
        for size, shift, first in ((n, 0.5, 0), (2 * n, 0.0, 10_000))
    ]
    return Contest(sets[0], sets[1], (assign_folds(sets[0].source_id, 2, 1), assign_folds(sets[1].source_id, 2, 1)))


def test_each_fold_is_measured_on_what_trained_it_and_on_what_it_has_not_seen():
    told = contest()
    found = measure_folds(train_in_folds(told, NETWORK, KFold(2), compute()), told, compute())
    for one in found:
        assert one.sharpness.n_events == sum((folds != one.fold).sum() for folds in told.folds)
        assert 0.3 < one.sharpness.loss < np.log(2.0)
        assert abs(one.loss_unseen - one.sharpness.loss) < 0.1
        assert (np.diff(one.sharpness.rises) > 0.0).all()
        assert len(one.sharpness.rises) == len(RADII)
        assert len(one.sharpness.curvatures) == N_CURVATURES
        assert one.sharpness.curvatures[0] > 0.0
        assert (np.diff(one.sharpness.curvatures) <= 0.0).all()


def test_the_loss_of_a_network_is_that_of_its_log_odds_with_classes_of_equal_weight():
    told = contest()
    events = Standardisation.fit(told.negative).apply(told.negative)
    labelled = Labelled(events, np.arange(len(events)) % 4 == 0)
    stops = (np.arange(len(events)) % 5 == 0)[None]
    one = Draws(labelled, stops, np.ones((1, len(events))))
    model = MLP(ensemble=1, hidden=(8,), epochs=2, best_epochs=1).fit_members(one, [compute()])[0]
    loss = np.logaddexp(0.0, np.where(labelled.is_positive, -1.0, 1.0) * model.log_odds(events))
    expected = 0.5 * (loss[labelled.is_positive].mean() + loss[~labelled.is_positive].mean())
    assert mean_loss(model, labelled) == pytest.approx(expected, rel=1e-6)
    assert measure_sharpness(model, labelled, Streams(1)).loss == pytest.approx(expected, rel=1e-6)


def test_what_has_no_weights_to_move_is_refused_with_what_has():
    told = contest()
    trees = FittedEnsembles(train_in_folds(told, Trees(ensemble=1, iterations=3), KFold(2), compute()))
    with pytest.raises(
        ConfigError, match="the classifier trees has none; classify with --score cwola --classifier mlp"
    ):
        networks_of(trees, "cwola")
    with pytest.raises(ConfigError, match="the score supervised has none"):
        networks_of(trees, "supervised")


def test_a_run_of_networks_is_measured_and_one_of_trees_is_refused_before_anything_is_done(copied):
    refused = invoke("evaluate", "--run", copied, "--sharpness")
    assert refused.exit_code == 2, refused.output
    assert "the classifier trees has none" in refused.output
    assert not (copied / "evaluation.h5").exists()
    tiny = [f"classifiers.mlp.{one}" for one in ("ensemble=1", "hidden=[4]", "epochs=1", "best_epochs=1")]
    options = ["--classifier", "mlp", *(part for one in tiny for part in ("--set", one)), "--processes", "1"]
    assert invoke("classify", "--run", copied, *options, "--overwrite", "-q").exit_code == 0
    run = RunDirectory(copied)
    execute(SHARPNESS, Analysis.open(copied, load_config([run.config], [], {})))
    found = run.read(schema.SHARPNESS)
    assert len(found.groups["rises"]["rise"]) == 3 * len(RADII)
    assert (found.groups["rises"]["rise"] > 0.0).all()
    assert np.abs(found.groups["models"]["loss"] - np.log(2.0)).max() < 0.1  # hardly trained: near chance
    texts = [str(cell) for table in report_on(found) for row in table.rows for cell in row]
    assert any("Hessian eigenvalue 1" in text for text in texts)

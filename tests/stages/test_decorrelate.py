"""A score of a table or of a run, made free of the mass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import invoke
from toys import blind

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.decorrelation_kinds import DECORRELATION
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.provenance import Provenance
from anomaly_cli.artifacts.store import read_artifact, write_artifact
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ConfigError, DataError, PhysicsError
from anomaly_cli.nets import conditional_cdf, training
from anomaly_cli.stages.blinding import hides_region, unblind
from anomaly_cli.stages.decorrelate import Scored, decorrelate_scores, scored_run, scored_table
from anomaly_cli.stages.identity import stored_identity

FAST = training.Schedule(8, 128, 1e-2, 8)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Trainings of seconds."""
    settings = conditional_cdf.SplineSettings(hidden=(16,), schedule=FAST)
    monkeypatch.setattr(conditional_cdf, "SplineSettings", lambda: settings)


def toy(n=3000):
    rng = np.random.default_rng(1)
    mass, is_signal = rng.uniform(50.0, 500.0, n), np.arange(n) % 5 == 0
    return mass, mass / 100.0 + rng.standard_normal(n) + 1.5 * is_signal, is_signal


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "jets.csv"
    rows = np.column_stack(toy())
    np.savetxt(path, rows, delimiter=",", header="mass,tagger,is_top", comments="")
    return path


def test_a_tagger_of_any_table_is_made_free_of_the_mass(table, tmp_path):
    made = tmp_path / "made.h5"
    arguments = ["--input", table, "--score", "tagger", "--protect", "mass", "--label", "is_top", "--output", made]
    done = invoke("decorrelate", *arguments, "-q")
    assert done.exit_code == 0, done.output
    assert "Rejection against divergence" in done.output
    artifact = read_artifact(made, DECORRELATION)
    assert not hides_region(RunDirectory(tmp_path), artifact)  # though no run lies beside it
    settings = artifact.provenance.settings
    assert (settings["score"], settings["label"], settings["protected"]) == ("tagger", "is_top", ["mass"])
    groups = artifact.groups
    before, after = (groups["cuts"]["chi2_per_ndf"][groups["cuts"]["points"] == which] for which in ("before", "after"))
    assert (after < before / 4).all()
    assert groups["tagging"]["inverse_divergence"][1] > 4 * groups["tagging"]["inverse_divergence"][0]
    assert np.array_equal(groups["events"]["is_signal"], toy()[2])
    again = invoke("decorrelate", *arguments, "-q")
    assert again.exit_code != 0
    assert "pass --overwrite" in " ".join(again.output.split())


def test_no_event_is_moved_by_a_spline_that_has_seen_it():
    mass, score, is_signal = toy(1250)
    scored = Scored(score, mass[:, None], ("mass",), is_signal, np.arange(1250), "")
    before = decorrelate_scores(scored, 1)
    changed = score.copy()
    changed[1] += 0.3  # its own place among the others moves, and those of other folds with their spline
    moved = decorrelate_scores(replace(scored, score=changed), 1)
    is_same = moved == before
    assert not is_same[1]
    assert 0.1 < is_same.mean() < 0.3  # the events of its own fold: their spline has seen none of it


def test_signal_trains_nothing():
    mass, score, is_signal = toy(1250)
    scored = Scored(score, mass[:, None], ("mass",), is_signal, np.arange(1250), "")
    changed = np.where(is_signal, score + 5.0, score)
    moved = decorrelate_scores(replace(scored, score=changed), 1)
    assert np.array_equal(moved[~is_signal], decorrelate_scores(scored, 1)[~is_signal])


@pytest.mark.slow
def test_a_run_is_decorrelated_over_all_masses(copied):
    done = invoke("decorrelate", "--run", copied, "-q")
    assert done.exit_code == 0, done.output
    artifact = read_artifact(copied / "decorrelation.h5", DECORRELATION)
    assert "table" not in artifact.provenance.inputs
    assert hides_region(RunDirectory(copied.parent), artifact)  # without its split nobody can know
    groups = artifact.groups
    assert groups["protected"]["name"].tolist() == ["mjj"]
    assert "tagging" not in groups
    assert groups["events"]["protected"].min() < 3300.0 < 3700.0 < groups["events"]["protected"].max()


def of_origin(path, inputs, settings):
    groups = {name: {column: [] for column in DECORRELATION.groups[name].columns} for name in ("protected", "cuts")}
    groups["events"] = {"score": [], "decorrelated": [], "protected": np.zeros((0, 1)), "is_signal": np.zeros(0, bool)}
    write_artifact(path, DECORRELATION, groups, Provenance("decorrelate", 2, settings, 1, inputs))
    return read_artifact(path, DECORRELATION)


def test_scores_of_a_blinded_run_are_refused_and_what_was_made_of_them_is_hidden(copied):
    run = RunDirectory(blind(copied))
    with pytest.raises(ConfigError, match="is blinded for these settings"):
        scored_run(run)
    digest = stored_identity(run).digest
    inputs = {"scores": "s", "split": run.read(schema.SPLIT).digest}
    of_run, of_other = (
        of_origin(copied / f"{name}.h5", inputs, {"settings_digest": name}) for name in (digest, "other")
    )
    of_table = of_origin(copied / "jets.h5", {"table": "t"}, {})
    assert [hides_region(run, one) for one in (of_run, of_other, of_table)] == [True, True, False]
    unblind(run, Config(), digest)
    assert [hides_region(run, one) for one in (of_run, of_other, of_table)] == [False, True, False]
    belongs = scored_run(run).belongs
    assert belongs == {"split": inputs["split"], "settings_digest": digest}


def test_what_cannot_be_decorrelated_is_refused_in_a_sentence(table):
    with pytest.raises(DataError, match="column 'tagger' is no label of 0 and 1"):
        scored_table(table, "mass", ["is_top"], "tagger")
    few = Scored(np.zeros(10), np.zeros((10, 1)), ("mass",), np.zeros(10, dtype=bool), np.arange(10), "")
    with pytest.raises(PhysicsError, match="10 background events, at least 1000"):
        decorrelate_scores(few, 1)
    for arguments, sentence in (
        ([], "either a table with --input FILE, or a run"),
        (["--input", table], "name the columns of --input"),
        (["--input", table, "--score", "tag", "--protect", "mass"], "has no column 'tag'"),
    ):
        done = invoke("decorrelate", *arguments, "-q")
        assert done.exit_code != 0
        assert sentence in " ".join(done.output.split())

"""Scores of a model of one's own, from a file into an analysis."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import invoke

from anomaly_cli.api import verbs
from anomaly_cli.artifacts.store import read_any
from anomaly_cli.config import Config, DataSettings
from anomaly_cli.core.cutflow import Cutflow
from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.core.streams import Streams
from anomaly_cli.stages.loading import Source, choose_features, load_source
from anomaly_cli.stages.resolve import resolve_settings

SPLIT = ("--signal-region", "3.3-3.7", "--inject", "150", "--reserve", "0.3")


def words(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module", params=["scores.csv", "scores.h5"])
def scored(request, finished, data_file, tmp_path_factory):
    """What `anomaly score` writes of the events of a run, in either format."""
    out = tmp_path_factory.mktemp("scored") / request.param
    assert invoke("score", data_file, "--run", finished, "--out", out).exit_code == 0
    return out


def test_what_anomaly_score_writes_is_read_back_for_every_event(scored, finished, data_file, tmp_path):
    result = invoke("split", "--run", tmp_path, *SPLIT, "--data", data_file, "--score-file", scored)
    assert result.exit_code == 0, result.output
    split = read_any(tmp_path / "split.h5")
    assert split.features[-1] == "score"
    stored = read_any(finished / "scores.h5").groups["observed"]
    known = dict(zip(stored["mjj"].tolist(), stored["score"].tolist(), strict=True))
    sr = split.groups["sr"]
    assert {mjj: known[mjj] for mjj in sr["mjj"].tolist()} == known
    assert sr["features"][:, -1].tolist() == [known[mjj] for mjj in sr["mjj"].tolist()]  # to the bit
    assert np.isfinite(read_any(tmp_path / "truth.h5").groups["reference"]["features"][:, -1]).all()


@pytest.fixture
def table(data_file, tmp_path):
    """A table of row and score; rewritten at will."""
    n_rows = read_rows(data_file)

    def write(**columns):
        path = tmp_path / "given.npz"
        np.savez(path, **{"event_id": np.arange(n_rows), "vrnn": np.sin(np.arange(n_rows)), **columns})
        return path

    return write


def read_rows(path):
    from anomaly_cli.datasets.readers import read_events

    return read_events(path).n_read


def test_a_changed_file_makes_the_split_another_one(table, data_file, tmp_path):
    given = ("split", "--run", tmp_path / "run", *SPLIT, "--data", data_file, "--score-file", table())
    assert invoke(*given).exit_code == 0
    assert "up to date" in words(invoke(*given))
    digest = read_any(tmp_path / "run" / "split.h5").provenance.inputs["scores"]
    table(vrnn=np.cos(np.arange(read_rows(data_file))))
    refused = invoke(*given)
    assert refused.exit_code != 0
    assert "pass --overwrite" in words(refused)
    assert invoke(*given, "--overwrite").exit_code == 0
    assert read_any(tmp_path / "run" / "split.h5").provenance.inputs["scores"] != digest


def test_a_template_has_the_scores_of_a_file_and_they_rank(table, data_file, tmp_path):
    run = tmp_path / "run"
    given = ("--data", data_file, "--score-file", table(), "--score-column", "vrnn", "--features", "mj1,tau21_j1")
    for stage in (("split", *SPLIT, *given), ("template", "--method", "cwola_hunting"), ("classify",)):
        result = invoke(stage[0], "--run", run, *stage[1:])
        assert result.exit_code == 0, result.output
    split, scores = read_any(run / "split.h5"), read_any(run / "scores.h5")
    assert split.features == ("mj1", "tau21_j1", "vrnn")
    assert scores.provenance.settings["score"] == {"name": "external", "settings": {"column": "vrnn", "sign": 1}}
    order = np.argsort(scores.groups["observed"]["event_id"])
    own = split.groups["sr"]["features"][np.argsort(split.groups["sr"]["event_id"]), -1]
    assert scores.groups["observed"]["score"][order].tolist() == own.tolist()


@pytest.fixture
def own(tmp_path):
    """Events whose manifest names their numbers, and a file of scores."""
    rng = np.random.default_rng(1)
    mjj, number = rng.uniform(3000.0, 4600.0, 60), rng.permutation(60) + 10**9
    np.savez(tmp_path / "events.npz", m=mjj, x=rng.normal(size=60), evt=number)
    (tmp_path / "events.toml").write_text(
        'file = "events.npz"\nevent_id = "evt"\nmjj = { column = "m", unit = "GeV" }\n[features]\n'
        'x = { column = "x", unit = "1" }\n'
    )
    np.savez(tmp_path / "scores.npz", event_id=number[::-1], score=mjj[::-1])
    return tmp_path


def test_scores_are_joined_by_the_numbers_that_a_manifest_names(own):
    events = verbs.load(own / "events.toml", score_file=str(own / "scores.npz")).observed
    assert events.names == ("x", "score")
    assert np.array_equal(events.features[:, 1], events.mjj)
    np.savez(own / "scores.npz", row=np.arange(60)[::-1], score=np.load(own / "events.npz")["m"][::-1])
    events = verbs.load(own / "events.toml", score_file=str(own / "scores.npz")).observed
    assert np.array_equal(events.features[:, 1], events.mjj)


def test_numbers_of_events_that_are_there_twice_name_none(own):
    events = dict(np.load(own / "events.npz"))
    np.savez(own / "events.npz", **events | {"evt": events["evt"] // 2})
    with pytest.raises(DataError, match=r"events.toml: column 'event_id' names 5\d+ more than once"):
        verbs.load(own / "events.toml", score_file=str(own / "scores.npz"))


def test_scores_of_a_file_rank_unless_another_score_is_named():
    data = DataSettings(score_file="some.csv")
    assert resolve_settings(Config(data=data)).score.column == "score"
    assert choose_features(Config(data=data))[-1] == "score"
    named = Config(data=data, scores={"external": {"column": "vrnn", "sign": -1}})
    assert (resolve_settings(named).score.column, resolve_settings(named).score.sign) == ("vrnn", -1)
    assert choose_features(named)[-1] == "vrnn"


@pytest.mark.parametrize("column", ["mj1", "mjj", "my score"])
def test_a_score_cannot_be_called_as_a_feature_is(column):
    config = Config(data=DataSettings(score_file="s.csv"), scores={"external": {"column": column}})
    with pytest.raises(
        ConfigError, match=f"--score-file s.csv: .* cannot be called '{column}'; give the column a name"
    ):
        choose_features(config)


def test_events_of_further_files_have_no_score(table, data_file, tmp_path):
    given = ("split", "--run", tmp_path / "run", "--signal-region", "3.3-3.7", "--data", data_file)
    other = tmp_path / "other.h5"
    for option, value in (("--inject-from", f"{other}=3"), ("--reference", other)):
        refused = invoke(*given, "--score-file", table(), option, value)
        assert refused.exit_code != 0
        assert "other.h5: its events have no score in --score-file" in words(refused)


def test_scores_are_never_joined_to_the_rows_of_another_file(own):
    np.savez(own / "other.npz", **dict(np.load(own / "events.npz")))
    data = DataSettings(file=str(own / "events.toml"), score_file=str(own / "scores.npz"))
    (own / "other.toml").write_text((own / "events.toml").read_text().replace("events.npz", "other.npz"))
    with pytest.raises(ConfigError, match=r"other.toml: its events have no score in --score-file .*scores.npz"):
        load_source(Source("data", own / "other.toml", 0), 0, Config(data=data), Cutflow(), Streams(1))


def test_a_file_that_holds_no_scores_is_refused(data_file, finished, tmp_path):
    given = ("split", "--run", tmp_path / "run", "--signal-region", "3.3-3.7", "--data", data_file, "--score-file")
    for file, sentence in (
        (tmp_path / "none.csv", "check the path given to --score-file"),
        (finished / "scores.h5", "is an artifact of an analysis"),
        (data_file, "has no column 'event_id' or 'row'"),
    ):
        refused = invoke(*given, file)
        assert refused.exit_code != 0
        assert sentence in words(refused)
        assert not (tmp_path / "run" / "split.h5").exists()


def test_the_python_interface_takes_a_file_of_scores(table, data_file):
    data = verbs.load(data_file, inject=0, features=["mj1"], score_file=str(table()))
    assert data.observed.names == ("mj1", "score")

"""What a command trains and takes is told before it begins."""

from __future__ import annotations

import json
import math

import pytest
from conftest import FAST, invoke

from anomaly_cli.artifacts import schema
from anomaly_cli.config import load_config
from anomaly_cli.core.progress import Step
from anomaly_cli.stages.chain import CHAIN
from anomaly_cli.stages.evaluate import EVALUATE
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.studies import effort
from anomaly_cli.studies.overdispersion import OVERDISPERSION
from anomaly_cli.studies.permutation import PERMUTATION
from anomaly_cli.studies.windows import WINDOWS


def analysis(directory, *overrides):
    files = [directory / "config.toml"] if (directory / "config.toml").exists() else []
    return Analysis.open(directory, load_config(files, ["regions.signal_region='3.3-3.7'", *overrides], {}))


def test_trainings_are_counted_as_the_settings_say(tmp_path):
    own = analysis(tmp_path, "classifier.folds=5", "classifiers.trees.ensemble=3", "template.crossfit=halves")
    told = {stage.name: effort.effort_of(stage.name, own).trains for stage in (*CHAIN, WINDOWS, OVERDISPERSION)}
    assert told["template model"] == "2 x curtains_f4f"
    assert told["classify"] == "15 x trees"
    assert told["validation"] == "8 x (2 x curtains_f4f and 15 x trees)"
    assert told["overdispersion"] == "20 x 15 x trees"
    assert (told["split"], told["significance"]) == ("", "")


def test_every_stage_that_is_announced_has_a_time_or_says_that_it_is_not_known(tmp_path):
    for stage in (*CHAIN, WINDOWS, OVERDISPERSION, PERMUTATION, EVALUATE):
        assert (effort.effort_of(stage.name, analysis(tmp_path)).cpu_seconds > 0.0) == (stage.name != "shared model")
    other = analysis(tmp_path, "template.method='drapes'")
    assert math.isnan(effort.effort_of("template model", other).cpu_seconds)
    assert not math.isnan(effort.effort_of("classify", other).cpu_seconds)


def test_a_score_of_its_own_is_told_instead_of_classifiers_that_it_does_not_train(tmp_path):
    own = analysis(tmp_path, "score.name='r_anode'", "classifiers.chosen.ensemble=3", "classifier.name='chosen'")
    told = effort.effort_of("classify", own)
    assert told.trains == "the score r_anode"
    assert told.has_parts
    assert told.cpu_seconds == effort.OWN_SCORES["r_anode"]
    assert effort.effort_of("evaluate", own).trains.startswith("2 x 18 x chosen, the idealised")
    plain = effort.effort_of("classify", analysis(tmp_path))
    assert not plain.has_parts
    assert "trees" in plain.trains


def test_times_are_those_of_as_many_events_as_there_are(finished, tmp_path):
    small, shipped = (effort.effort_of("template model", analysis(where)) for where in (finished, tmp_path))
    groups = analysis(finished).run.read(schema.SPLIT).groups
    n = len(groups["sb1"]["mjj"]) + len(groups["sb2"]["mjj"])
    assert small.cpu_seconds / shipped.cpu_seconds == pytest.approx(n / effort.SIDE_BANDS)
    assert effort.is_scaled(analysis(finished))
    assert not effort.is_scaled(analysis(tmp_path, "data.file='other.h5'"))


def test_processes_share_what_can_be_divided_only():
    assert effort.Effort("", 10.0, True).seconds(4) == 2.5
    assert effort.Effort("", 10.0).seconds(4) == 10.0


def test_a_dry_run_tells_what_measuring_would_train_and_take(finished):
    result = invoke("run", "--run", finished, "--measure", "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    (table,) = json.loads(result.output)["tables"]
    rows = {row["stage"]: row for row in table["rows"]}
    assert list(rows)[-4:] == ["closure", "overdispersion", "validation", "significance"]
    assert rows["classify"]["action"] == "nothing: up to date"
    assert rows["overdispersion"]["trains"] == "20 x 3 x trees"
    assert rows["validation"]["time"].startswith("about ")
    assert rows["significance"]["action"] == "run again with what has been measured since"


def test_a_long_command_says_so_before_it_begins(tmp_path, monkeypatch):
    from anomaly_cli.cli import execution

    class Stop(Exception):
        pass

    def begin(*stages):
        def stop(analysis, *_, **__):
            for stage in stages:
                analysis.compute.progress(Step(stage, 0, 1, is_stage=True))
            raise Stop

        monkeypatch.setattr(execution, "run_chain", stop)

    begin("split")
    assert "Trains" not in invoke("run", "--signal-region", "3.3-3.7", "--run", tmp_path / "r").output
    begin("split", "template model", "template")
    given = ("run", "--signal-region", "3.3-3.7", "--run", tmp_path / "r", "--processes", "2")
    result = invoke(*given)
    assert isinstance(result.exception, Stop)
    assert "Trains 3 x curtains_f4f; 120 x trees: about " in " ".join(result.output.split())
    assert result.output.count("Trains") == 1
    assert "with 2 processes." in " ".join(result.output.split())
    assert "Trains" not in invoke(*given, "--quiet").output
    assert "Trains 3 x curtains_f4f; 3 x trees" in " ".join(invoke(*given, *FAST).output.split())

"""`anomaly reproduce` from the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from conftest import invoke

from anomaly_cli.cli.asked import Asked
from anomaly_cli.cli.settings import resolve_config
from anomaly_cli.core.errors import ConfigError, PhysicsError
from anomaly_cli.reproduce import kinds
from anomaly_cli.stages.resolve import resolve_settings


def test_a_run_without_any_result_is_a_failure(tmp_path, monkeypatch):
    def fail(settings, compute):
        raise PhysicsError("too few points")

    monkeypatch.setitem(kinds.KINDS, "distances", replace(kinds.KINDS["distances"], run=fail))
    done = invoke("reproduce", "run", "fpd-kpd-toys", "--output", tmp_path / "out", "--processes", "1", "--quiet")
    assert done.exit_code == PhysicsError.exit_code
    assert "No result: two-dimensional toys, toy truth, seed 1: too few points" in " ".join(done.output.split())
    assert "no job has a result" in " ".join(done.output.split())


def test_the_list_says_what_every_target_waits_for():
    result = invoke("reproduce", "list", "--json")
    assert result.exit_code == 0, result.output
    rows = {row["target"]: row for row in json.loads(result.stdout)["tables"][0]["rows"]}
    assert rows["curtains-f4f-own"]["waits_for"].startswith("its values, which are in no public text")
    assert rows["fpd-kpd-toys"]["waits_for"] == ""


def test_a_target_shows_its_published_values_and_what_it_costs():
    result = invoke("reproduce", "show", "sic-trees")
    assert result.exit_code == 0, result.output
    for words in (
        "TRANSIT waits for",
        "arXiv:2503.04342",
        "second-hand",
        "quick: 15 jobs, 3 seeds, about 4 minutes of CPU time; on the shipped file, or that of --data",
    ):
        assert words in " ".join(result.stdout.split())
    assert "needs no data" in invoke("reproduce", "show", "fpd-kpd-toys").stdout
    shown = invoke("reproduce", "show", "curtains-f4f-own").stdout
    assert "In no public text: SI, AUC and time tables" in shown
    assert "NOT FOUND" not in shown


def test_the_list_says_what_a_target_needs():
    listed = " ".join(invoke("reproduce", "list").stdout.split())
    for needed in ("nothing", "labels", "simulation"):
        assert needed in listed


def test_a_run_writes_what_people_and_programs_read_and_is_not_done_twice(tmp_path):
    asked = ("reproduce", "run", "fpd-kpd-toys", "--output", tmp_path / "out", "--processes", "1", "--quiet")
    first = invoke(*asked, "--part", "1/4")
    assert first.exit_code == 0, first.output
    assert "8 jobs, 0 done already" in first.stdout
    assert "Part 1 of 4 is done; the command without --part shows and writes" in " ".join(first.stdout.split())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["records"], "a part writes over what others do"
    assert "8 jobs, 2 done already" in invoke(*asked, "--part", "2/8").stdout
    shown = invoke(*asked).stdout
    assert "8 jobs, 3 done already" in shown
    assert "difference" in shown
    assert "[1] " in shown
    written = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert written == {f"fpd-kpd-toys-quick.{ending}" for ending in ("json", "csv", "md", "tex", "png")}
    assert "| toy | published |" in (tmp_path / "out" / "fpd-kpd-toys-quick.md").read_text()
    values = pd.read_csv(tmp_path / "out" / "fpd-kpd-toys-quick.csv")
    assert {"quantity", "series", "x", "published", "ours", "ours_uncertainty", "difference"} < set(values.columns)
    assert len(values[values.ours.notna()]) == 16
    assert values.why_not.notna().any()


@pytest.mark.slow
def test_parts_that_run_one_after_another_leave_nothing_out(tmp_path):
    asked = ("reproduce", "run", "fpd-kpd-toys", "--output", tmp_path, "--processes", "1", "--quiet")
    told = [invoke(*asked, "--part", f"{number}/3").stdout for number in (1, 2, 3)]
    assert [" ".join(text.split()).split(", about")[0] for text in told] == [
        "8 jobs, 0 done already, 3 to do in this part",
        "8 jobs, 3 done already, 3 to do in this part",
        "8 jobs, 6 done already, 2 to do in this part",
    ]
    assert "8 jobs, 8 done already" in invoke(*asked, "--part", "1/3").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("curtains-f4f-own",), 2, "waits for its values, which are in no public text"),
        (("sic-tree",), 2, "did you mean 'sic-trees'?"),
        (("sic-trees", "--scale", "paper"), 2, "anomaly data fetch lhco_rnd_features"),
        (("fpd-kpd-toys", "--part", "9/8"), 2, "K of K/N must be from 1 to N"),
        (("fpd-kpd-toys", "--part", "a"), 2, "write it as K/N"),
        (("sic-trees", "--data", "no.h5"), 3, "no.h5"),
    ],
)
def test_what_cannot_be_run_ends_in_a_sentence(tmp_path, arguments, code, words):
    result = invoke("reproduce", "run", *arguments, "--output", tmp_path / "out")
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert not (tmp_path / "out" / "records").exists()


def test_the_papers_scale_refuses_a_file_that_is_not_the_papers(tmp_path, data_file):
    result = invoke("reproduce", "run", "sic-trees", "--scale", "paper", "--data", data_file, "--output", tmp_path)
    assert result.exit_code == 2
    assert "where the paper has 1000000" in result.stderr


def test_a_preset_is_that_of_the_method_which_is_asked_for():
    plain = Asked(settings={"template.method": "cathode"}, overrides=("methods.cathode.base_epochs=3",))
    assert resolve_settings(resolve_config(plain)).method.scaling == "mass"
    published = resolve_settings(resolve_config(replace(plain, preset="published"))).method
    assert (published.scaling, published.base_transforms, published.base_epochs) == ("logit", 15, 3)
    with pytest.raises(ConfigError, match="did you mean 'published'"):
        resolve_settings(resolve_config(replace(plain, preset="publish")))


def test_what_is_left_out_for_want_of_a_file_is_told_before_anything_is_run(tmp_path):
    asked = ("reproduce", "run", "interplay", "--output", tmp_path, "--processes", "1", "--quiet", "--part", "99/99")
    shown = " ".join(invoke(*asked).stdout.split())
    assert "Left out, FETA, SALAD: needs simulated background of another generator: --simulation FILE." in shown

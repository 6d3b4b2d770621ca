"""A whole run ranked by a density score, made free of the mass."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from conftest import invoke

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.report.results.explanation import tables
from anomaly_cli.report.table import Table

QUICK = [
    *("--score", "r_anode", "--set", "score.decorrelate=template"),
    *("--set", "scores.r_anode.flows=1", "--set", "scores.r_anode.base_epochs=1", "--set", "scores.r_anode.bound=4.0"),
    *("--set", "scores.r_anode.scaling_bags=0", "--set", "scores.r_anode.starts=20", "--set", "scores.r_anode.modes=2"),
]


@pytest.mark.slow
def test_a_run_is_ranked_by_r_anode_and_decorrelated_and_tells_of_itself(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    for name in ("scores", "classifier", "significance", "closure", "evaluation"):
        (run / f"{name}.h5").unlink(missing_ok=True)
    done = invoke("classify", "--run", run, *QUICK, "--overwrite", "-q")
    assert done.exit_code == 0, done.output
    assert "Diagnostics of the score r_anode" in done.output
    scores = RunDirectory(run).read(schema.SCORES)
    assert scores.provenance.settings["decorrelate"] == "template"
    told = scores.groups["diagnostics"]
    assert told["name"].tolist()[:4] == ["w", "w, splits", "w, starts", "w, backgrounds"]
    evaluated = invoke("evaluate", "--run", run, "-q")
    assert evaluated.exit_code == 0, evaluated.output


@pytest.mark.slow
def test_the_models_of_both_jets_are_read_again_and_explained_whatever_features_are_called(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    for arguments in (("classify", "--score", "tnt", "--overwrite"), ("significance", "--overwrite"), ("explain",)):
        done = invoke(arguments[0], "--run", run, *arguments[1:], "-q")
        assert done.exit_code == 0, done.output
    explanation = RunDirectory(run).read(schema.EXPLANATION)
    named = replace(explanation, features=("score", *explanation.features[1:]))  # as an external score may be
    (events,) = (part for part in tables(named) if isinstance(part, Table) and part.name == "most_signal_like")
    assert [column.header for column in events.columns][4] == "score"
    assert len({column.name for column in events.columns}) == len(events.columns)

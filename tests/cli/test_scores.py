"""A whole run ranked by a density score, made free of the mass."""

from __future__ import annotations

import shutil

from conftest import invoke

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory

QUICK = [
    *("--score", "r_anode", "--set", "score.decorrelate=template"),
    *("--set", "scores.r_anode.flows=1", "--set", "scores.r_anode.base_epochs=1", "--set", "scores.r_anode.bound=4.0"),
    *("--set", "scores.r_anode.scaling_bags=0", "--set", "scores.r_anode.starts=20", "--set", "scores.r_anode.modes=2"),
]


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

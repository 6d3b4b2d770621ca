"""Calls what uses the kept models of a run, and prints it; imported only when a command runs."""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.artifacts import schema
from anomaly_cli.cli.asked import Asked
from anomaly_cli.cli.output import say, show
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.datasets.rootfiles import is_root, require_uproot
from anomaly_cli.report.results.scored_events import summarise_scores
from anomaly_cli.stages.frame import Analysis
from anomaly_cli.stages.roottrees import write_score_trees
from anomaly_cli.stages.scoring import score_file, write_scores


def score_and_print(asked: Asked, file: Path, out: Path | None) -> None:
    """Score the events of a file, write them, and print how many pass each cut.

    Raises:
        ConfigError: where the target is the file itself.
    """
    target = out or file.with_name(f"{file.stem}-scores.csv")
    if target.resolve() == file.resolve():
        raise ConfigError(f"--out {target}: is the file of the events; name another one")
    if is_root(target):
        require_uproot(target)
    analysis = Analysis.open(asked.directory, asked.config)
    found = score_file(analysis, file, asked.config.data.key if "data.key" in asked.settings else "")
    if is_root(target):
        write_score_trees(found, target)
    else:
        write_scores(found, target, analysis)
    digests = {schema.CLASSIFIER.name: found.inputs["classifier"]}
    show(summarise_scores(vars(found), found.background_efficiencies), digests)
    say(f"{target}: written")

"""What reports say of a method's Z where there is no signal."""

from __future__ import annotations

import copy
import functools
import operator
from dataclasses import replace
from typing import Any

import null
import pytest

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report import null_studies
from anomaly_cli.report.null_studies import NullStudy, doubt_without_signal, read_studies, settings_of
from anomaly_cli.report.page.caveats import caveats
from anomaly_cli.report.plots.sources import of_run
from anomaly_cli.report.summary import summarise_run
from anomaly_cli.report.table import Message

MADE = {
    "model": {"method": {"name": "mine", "settings": {"depth": 2, "seen": None}}, "crossfit": {"scheme": "thirds"}},
    "oversampling": 4.0,
}
RANKED = {
    "score": {"name": "cwola", "settings": {}},
    "classifier": {"name": "trees", "settings": {"leaves": 31, "ensemble": 4}},
    "folds": 6,
    "validation_fraction": 0.1,
}
SETTINGS = {
    "template.oversampling": 4.0,
    "template.crossfit": "thirds",
    "template.base": "",
    "score.decorrelate": "none",
    "classifier.folds": 6,
    "classifier.validation_fraction": 0.1,
    "methods.mine.depth": 2,
    "classifiers.trees.leaves": 31,
}
STUDY = NullStudy(
    "mine", "cwola", "trees", "none", SETTINGS, 20, 10, (0.2, 0.05, 0.01), (1.3, -0.19, 0.3), (0.2, 0.01, 0.2)
)


@pytest.fixture
def run(finished) -> RunDirectory:
    return RunDirectory(finished)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(null_studies, "read_studies", lambda: (STUDY,))


def named(run: RunDirectory, correct="none", **chosen: Any) -> tuple[Artifact, Artifact, Artifact]:
    """Return template, scores and counts that say they are of the settings of the study, but for those `chosen`."""
    template, scores, counts = (run.read(kind) for kind in (schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE))
    made, ranked = copy.deepcopy(MADE), copy.deepcopy(RANKED)
    for where, value in chosen.items():
        *path, last = where.split("__")
        functools.reduce(operator.getitem, path, {"made": made, "ranked": ranked})[last] = value
    changes = (made, ranked, {"correct": correct})
    return tuple(
        replace(artifact, provenance=replace(artifact.provenance, settings=change))
        for artifact, change in zip((template, scores, counts), changes, strict=True)
    )  # type: ignore[return-value]


def test_a_bias_is_one_that_is_large_and_more_than_two_errors_from_zero(run, known):
    said = doubt_without_signal(*named(run))
    assert said.startswith("Z of mine is not centred: in 20 searches of simulated background")
    assert said.endswith("the mean Z was 1.3 at 20 %.")
    template, scores, _ = named(run)
    assert doubt_without_signal(template, scores, None) == said
    assert replace(STUDY, score="r_anode").bias.startswith("Z of mine ranked by r_anode is not centred: in 20")


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"made__model__method__name": "other"}, "other"),
        ({"ranked__score__name": "anode"}, "mine (ranked by score anode)"),
        ({"correct": "mean"}, 'mine (correct = "mean")'),
        ({"made__model__method__settings__depth": 3}, "mine (depth = 3)"),
        ({"ranked__classifier__settings__leaves": 4}, "mine (leaves = 4)"),
        ({"ranked__decorrelate": "template"}, 'mine (decorrelate = "template")'),
        ({"made__model__provided": {"base": "digest"}}, 'mine (base = "shared")'),
        (
            {"made__oversampling": 2.0, "ranked__folds": 3, "made__model__method__settings__depth": 3},
            "mine (oversampling = 2.0, folds = 3, and 1 more)",
        ),
    ],
)
def test_what_nobody_looked_at_is_said_to_be_unchecked(settings, how, run, known):
    assert doubt_without_signal(*named(run, **settings)).startswith(
        f"Z of {how} has never been checked where there is no"
    )


def test_the_size_of_an_ensemble_is_no_other_search(run, known):
    assert "is not centred" in doubt_without_signal(*named(run, ranked__classifier__settings__ensemble=20))


def test_a_template_of_true_background_is_a_benchmark_whatever_its_z(run, known):
    template, scores, counts = named(run)
    inputs = {**template.provenance.inputs, "truth": "digest"}
    true = replace(template, provenance=replace(template.provenance, inputs=inputs))
    assert doubt_without_signal(true, scores, counts) == ""


def test_summary_and_page_say_so_and_a_centred_method_needs_no_word(run, monkeypatch):
    made = run.read(schema.TEMPLATE).provenance.settings
    method = str(made["model"]["method"]["name"])
    correct = str(run.read(schema.SIGNIFICANCE).provenance.settings["correct"])
    for mean, is_said in ((1.3, True), (0.0, False)):
        settings = settings_of(made, run.read(schema.SCORES).provenance.settings)
        study = replace(STUDY, method=method, correct=correct, settings=settings, mean=(mean,) * 3)
        monkeypatch.setattr(null_studies, "read_studies", lambda study=study: (study,))
        texts = [part.text for part in summarise_run(run) if isinstance(part, Message)]
        pages = caveats(of_run(run, lambda *_: False))
        assert [any("is not centred" in text for text in found) for found in (texts, pages)] == [is_said] * 2


def test_the_package_tells_what_the_study_has_measured():
    rows = [row for row in null.read(null.RESULTS) if not row["injected"]]
    found = {(row["method"], row.get("score", "cwola")) for row in rows}
    assert {(study.method, study.score) for study in read_studies()} == found
    for study in read_studies():
        own = [row for row in rows if (row["method"], row.get("score", "cwola")) == (study.method, study.score)]
        assert (study.n_searches, study.n_sets) == (len(own), len({row["set"] for row in own}))


@pytest.mark.slow
def test_the_package_tells_the_very_numbers():
    assert null_studies.FILE.read_text() == null.studies_text(null.read(null.RESULTS))

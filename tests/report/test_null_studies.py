"""What reports say of a method's Z where there is no signal."""

from __future__ import annotations

from dataclasses import replace

import null
import pytest

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report import null_studies
from anomaly_cli.report.null_studies import NullStudy, doubt_without_signal, read_studies
from anomaly_cli.report.page.caveats import caveats
from anomaly_cli.report.plots.sources import of_run
from anomaly_cli.report.summary import summarise_run
from anomaly_cli.report.table import Message

STUDY = NullStudy("mine", "cwola", "trees", "none", 20, 10, (0.2, 0.05, 0.01), (1.3, -0.19, 0.3), (0.2, 0.01, 0.2))


@pytest.fixture
def run(finished) -> RunDirectory:
    return RunDirectory(finished)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(null_studies, "read_studies", lambda: (STUDY,))


def named(run: RunDirectory, method="mine", score="cwola", correct="none") -> tuple[Artifact, Artifact, Artifact]:
    """Return template, scores and counts that say they are of these settings."""
    template, scores, counts = (run.read(kind) for kind in (schema.TEMPLATE, schema.SCORES, schema.SIGNIFICANCE))
    settings = {"model": {"method": {"name": method}}}
    ranked = {"score": {"name": score}, "classifier": {"name": "trees"}}
    changes = (settings, ranked, {"correct": correct})
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


@pytest.mark.parametrize(
    ("settings", "how"),
    [
        ({"method": "other"}, "other"),
        ({"score": "anode"}, "mine (ranked by score anode)"),
        ({"correct": "mean"}, 'mine (significance.correct = "mean")'),
    ],
)
def test_what_nobody_looked_at_is_said_to_be_unchecked(settings, how, run, known):
    assert doubt_without_signal(*named(run, **settings)).startswith(
        f"Z of {how} has never been checked where there is no"
    )


def test_a_template_of_true_background_is_a_benchmark_whatever_its_z(run, known):
    template, scores, counts = named(run)
    inputs = {**template.provenance.inputs, "truth": "digest"}
    true = replace(template, provenance=replace(template.provenance, inputs=inputs))
    assert doubt_without_signal(true, scores, counts) == ""


def test_summary_and_page_say_so_and_a_centred_method_needs_no_word(run, monkeypatch):
    method = str(run.read(schema.TEMPLATE).provenance.settings["model"]["method"]["name"])
    correct = str(run.read(schema.SIGNIFICANCE).provenance.settings["correct"])
    for mean, is_said in ((1.3, True), (0.0, False)):
        study = replace(STUDY, method=method, correct=correct, mean=(mean,) * 3)
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

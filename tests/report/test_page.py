"""Reports: whatever state a run is in, one file that needs nothing else, with what matters first."""

from __future__ import annotations

import re
import shutil
import subprocess

import drawn_samples
import pytest
from conftest import invoke
from report_samples import ESCAPES, MARKUP

from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.artifacts.store import read_artifact
from anomaly_cli.report.comparison import compare
from anomaly_cli.report.page import whole_page
from anomaly_cli.report.page.caveats import caveats
from anomaly_cli.report.page.document import Document, Listing, Section
from anomaly_cli.report.page.pdf_pages import pages
from anomaly_cli.report.page.run_document import run_document, works
from anomaly_cli.report.page.story import tell
from anomaly_cli.report.page.whole_page import page
from anomaly_cli.report.plots.sources import Sources, of_run
from anomaly_cli.report.results.registry import report_on
from anomaly_cli.report.table import Message, Table


def hides_all(run, artifact):
    return any(group.tells_region for group in artifact.kind.groups.values())


def shows_all(run, artifact):
    return False


@pytest.fixture
def without_pictures(monkeypatch):
    """Pictures have tests of their own, and take most of the time."""
    monkeypatch.setattr(whole_page, "data_uri", lambda plot, sources: f"data:,{plot.name}")


def document_of(directory, hides=shows_all):
    run = RunDirectory(directory)
    return run_document(run, of_run(run, hides), ["lhco_like_sim"], "1.2")


def test_a_page_needs_nothing_else_and_says_first_what_has_to_be_read_first(finished, without_pictures):
    text = page(document_of(finished))
    assert "<script" not in text
    assert set(re.findall(r'(?:src|href)="(\w+:|#)', text)) <= {"data:", "#"}
    assert not re.search(r"@import|url\(", text)
    places = [
        text.index(words) for words in ("Read first", "WITHOUT closure uncertainty", "The signal region is", "<table")
    ]
    assert places == sorted(places)
    for words in (
        "curtains_f4f",
        "Cutflow",
        "Chain of artifacts",
        "[regions]",
        "@article{2305.04646,",
        "Times",
        "torch",
    ):
        assert words in text, words
    assert text.count("data:,mjj") == 1
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_story_has_the_numbers_of_the_artifacts(finished):
    story = tell(of_run(RunDirectory(finished), shows_all))
    split, template = (read_artifact(finished / f"{name}.h5", schema.KINDS[name]) for name in ("split", "template"))
    assert f"The signal region holds {len(split.groups['sr']['mjj']):,}." in story
    assert f"holds {len(template.groups['events']['mjj']):,} events" in story
    assert "3.3-3.7 TeV" in story
    assert "in 3 folds" in story
    assert "cuts that keep 20 % and 5 % of the template" in story


def test_a_blinded_page_says_so_and_tells_no_count_of_the_region(finished, tmp_path, without_pictures):
    for name in ("split.h5", "truth.h5", "model.h5", "template.h5", "scores.h5", "classifier.h5", "closure.h5"):
        shutil.copy(finished / name, tmp_path / name)
    text = page(document_of(tmp_path, hides_all))
    split = read_artifact(finished / "split.h5", schema.SPLIT)
    number, left = len(split.groups["sr"]["mjj"]), split.groups["cutflow"]["n_events"][-1]
    for told in (number, left, len(split.groups["rest"]["mjj"])):
        assert not re.search(rf"\b{told}\b", text.replace(",", ""))
    assert "BLINDED: the signal region has not been looked at" in text
    assert "hidden" in text
    assert "not finished" not in text
    assert "data:,mjj" in text
    assert "data:,features" not in text
    assert "features: the signal region is blinded" in text


@pytest.mark.parametrize(
    "kept", [["split.h5", "truth.h5"], ["split.h5", "truth.h5", "model.h5"], ["config.toml", "model.h5"]]
)
def test_a_half_finished_run_is_reported_as_far_as_it_got(finished, tmp_path, kept, without_pictures):
    for name in kept:
        shutil.copy(finished / name, tmp_path / name)
    text = page(document_of(tmp_path))
    assert "The run is not finished" in text or "Not used" in text
    assert "Not drawn" in text
    if "model.h5" not in kept:
        assert pages(document_of(tmp_path)).startswith(b"%PDF")


def test_a_damaged_file_is_named_and_the_rest_is_reported(copied, without_pictures):
    (copied / "template.h5").write_bytes(b"no HDF5")
    text = page(document_of(copied))
    assert "template.h5: cannot be read as HDF5" in text
    assert "Cutflow" in text


def test_how_the_last_command_failed_is_said_first_and_only_if_it_was_the_last(copied, without_pictures):
    failed = (
        "2026-01-01T00:00:00Z INFO anomaly 0.1.0: run\n2026-01-01T00:00:01Z ERROR loss <b> is not finite\n  traceback\n"
    )
    log = copied / "anomaly.log"
    log.write_text(failed)
    assert document_of(copied).warnings[0] == (
        "The last command here failed (2026-01-01T00:00:01Z): loss <b> is not finite."
    )
    assert "loss &lt;b&gt; is" in page(document_of(copied))
    log.write_text(f"{failed}2026-01-01T00:00:02Z INFO done\n")
    assert not any("failed" in warning for warning in document_of(copied).warnings)


def test_a_log_that_holds_nonsense_is_left_out(copied, without_pictures):
    (copied / "run_log.json").write_text('[{"stage": 3}]')
    assert "Together" not in page(document_of(copied))


def test_nothing_that_is_written_into_names_reaches_the_page_as_markup():
    listing = Listing("BibTeX", f"x = {MARKUP}\n{ESCAPES}")
    section = Section("Result", [Message(f"{MARKUP} {ESCAPES}")], (), [listing])
    document = Document(MARKUP, [MARKUP], ESCAPES, [section], Sources({}), MARKUP, [("mjj", MARKUP)])
    text = page(document)
    assert "<b>" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;b&gt;" in text
    assert pages(document).startswith(b"%PDF")


def test_caveats_name_what_may_not_be_claimed_and_what_is_doubtful():
    said = " ".join(caveats(drawn_samples.sources()))
    assert "NO CLAIM at 1 %: windows disagree." in said
    assert "At 1 % the folds differ by more than chance" in said
    assert "(signal region, true background): AUC 0.5300 +- 0.0030" in said
    assert "held-out" not in said
    assert "WITHOUT" not in said


def test_a_template_that_can_be_told_from_background_is_said_wherever_closure_is_shown():
    closure = drawn_samples.sources().artifacts["closure"]
    told = [part.text for part in report_on(closure) if isinstance(part, Message)]
    assert told == [
        "The template can be told from background (signal region, true background): AUC 0.5300 +- 0.0030. An excess can"
        " come from that."
    ]


def test_every_method_and_data_set_that_was_used_is_cited_once(finished):
    keys = works(of_run(RunDirectory(finished), shows_all), ["lhco_like_sim", "unknown"])
    assert {"2305.04646", "2101.08320", "1708.02949", "2309.13111", "Pyhf"} <= set(keys)
    assert len(keys) == len(set(keys))


def test_the_command_writes_html_and_refuses_other_formats(finished, tmp_path, without_pictures):
    path = tmp_path / "report of 3 $.html"
    written = invoke("report", finished, "--output", path)
    assert written.exit_code == 0, written.output
    assert path.read_text().startswith("<!DOCTYPE html>")
    refused = invoke("report", finished, "--output", tmp_path / "report.doc")
    assert refused.exit_code == 2
    assert ".html or .pdf" in refused.output
    assert invoke("report", tmp_path / "nowhere").exit_code == 4


def test_runs_are_compared_by_what_differs(finished, copied):
    runs = [(RunDirectory(path), of_run(RunDirectory(path), shows_all)) for path in (finished, copied)]
    (same, *tables) = compare(runs)
    assert isinstance(same, Message)
    assert same.text == "All settings are the same."
    assert [table.name for table in tables] == ["n_observed", "n_expected", "z", "closure", "times"]
    assert all(row[1] == row[2] for row in tables[0].rows)
    blinded = (runs[1][0], of_run(runs[1][0], hides_all))
    del blinded[1].artifacts["significance"]
    (settings, observed, *_) = compare([runs[0], blinded])
    assert isinstance(settings, Table)
    assert {row[0] for row in settings.rows} > {"significance.toys", "significance.seed"}
    assert observed.rows[0][2].missing == "blinded"


def test_the_command_compares_and_refuses_one_run(finished, copied):
    assert "Observed events after each cut" in invoke("compare", finished, copied).output
    refused = invoke("compare", finished)
    assert refused.exit_code == 2
    assert "name two runs or more" in refused.output


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 420])
def test_a_browser_opens_the_page_without_a_word_on_its_console(finished, tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    path = tmp_path / "report.html"
    assert invoke("report", finished, "--output", path).exit_code == 0
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--window-size={width},4000"]
    shot = tmp_path / "shot.png"
    done = subprocess.run(
        [browser, *flags, f"--screenshot={shot}", f"file://{path}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert shot.stat().st_size > 20_000


def test_a_run_ends_with_its_report_where_that_is_asked_for(copied, without_pictures):
    done = invoke("run", "--run", copied, "--report", "--processes", "1")
    assert done.exit_code == 0, done.output
    assert "Up to date" in done.output
    assert "report.html: written" in done.output.replace("\n", "")
    assert "Selected events" in (copied / "report.html").read_text()


@pytest.mark.slow
def test_a_report_is_of_one_run_however_it_is_named(finished, tmp_path):
    for number, given in enumerate(((finished,), ("--run", finished))):
        assert invoke("report", *given, "-o", tmp_path / f"{number}.html").exit_code == 0
    for given in ((), (finished, "--run", finished)):
        refused = invoke("report", *given, "--out", tmp_path / "no.html")
        assert refused.exit_code == 2
        assert "report: name one run or scan, as 'anomaly report DIR'" in " ".join(refused.output.split())
    assert not (tmp_path / "no.html").exists()

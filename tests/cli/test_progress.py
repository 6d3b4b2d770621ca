"""Progress without a terminal, what is left of a command, and the log."""

from __future__ import annotations

import io
import math
import re
import time

import pytest
from conftest import invoke
from rich.console import Console

from anomaly_cli.cli import progress
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.logs import LOG_NAME, logging_to
from anomaly_cli.cli.outlook import Outlook, words
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.progress import Step


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def outlook():
    return Outlook({"split": 10.0, "template model": 20.0, "classify": 30.0}, Clock(), ["template model"])


def begin(stage):
    return Step(stage, 0, 1, is_stage=True)


def end(stage):
    return Step(stage, 1, 1, is_stage=True)


def test_what_is_left_is_what_is_expected_until_something_is_done(outlook):
    assert (outlook.seconds, outlook.n_left) == (60.0, 3)
    outlook(begin("split"))
    outlook.clock.now += 4.0
    assert outlook.seconds == 56.0


def test_a_slow_machine_makes_the_rest_longer(outlook):
    outlook(begin("split"))
    outlook.clock.now += 20.0
    outlook(end("split"))
    assert (outlook.seconds, outlook.n_left) == (100.0, 2)


def test_a_stage_that_is_up_to_date_says_nothing_of_the_machine(outlook):
    outlook(Step("split", 1, 1, "up to date", is_stage=True))
    assert (outlook.seconds, outlook.n_left) == (50.0, 2)


def test_the_share_that_is_done_of_a_stage_of_one_task_says_what_is_left_of_it(outlook):
    for stage in ("split", "template model"):
        outlook(Step(stage, 1, 1, is_stage=True))
    outlook(begin("classify"))
    outlook.clock.now += 20.0
    outlook(Step("classify: trees", 20, 120))
    assert outlook.seconds == pytest.approx(100.0)


def test_where_nobody_has_measured_a_stage_nothing_is_said_until_it_is_done():
    unknown = Outlook({"template model": math.nan, "classify": 30.0}, Clock(), ["template model"])
    assert words(unknown.seconds) == ""
    unknown(begin("template model"))
    unknown.clock.now += 200.0
    unknown(end("template model"))
    assert unknown.seconds == 30.0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (2.0, "about 5 s"),
        (38.0, "about 40 s"),
        (56.0, "about 1 min"),
        (200.0, "about 3 min"),
        (4000.0, "about 1.1 h"),
        (math.nan, ""),
    ],
)
def test_times_claim_no_more_than_is_known(seconds, said):
    assert words(seconds) == said


@pytest.fixture
def told(monkeypatch):
    """What is told where there is no terminal."""
    file = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=file, width=80))
    monkeypatch.setattr(progress, "HEARTBEAT", 0.05)
    return file


@pytest.mark.parametrize("manner", [Manner(), Manner(verbose=True)], ids=["plain", "verbose"])
def test_long_silence_is_broken_by_what_is_being_done(told, manner):
    with show_progress(manner, None, Outlook({"classify": 60.0, "closure": 60.0})) as report:
        report(begin("classify"))
        report(Step("classify: trees", 3, 120))
        time.sleep(0.3)
    first, *_ = lines = told.getvalue().splitlines()
    assert first == "classify: trees: 3 of 120; about 2 min left in all"
    assert 2 <= len(lines) <= 7
    time.sleep(0.1)
    assert told.getvalue().splitlines() == lines


def test_what_is_finished_is_not_said_to_be_done_now(told):
    with show_progress(Manner(), None, Outlook({"classify": 60.0, "closure": 60.0})) as report:
        report(begin("classify"))
        report(Step("classify: trees", 120, 120))
        time.sleep(0.2)
    finished, *later = told.getvalue().splitlines()
    assert finished.startswith("classify: trees: done")
    assert later
    assert all(line.startswith("working; about") for line in later)


def test_quiet_is_silent_between_finished_steps(told):
    with show_progress(Manner(quiet=True)) as report:
        report(Step("classify: trees", 3, 120))
        time.sleep(0.2)
        report(Step("classify: trees", 120, 120, "[b]fold 6"))
    (line,) = told.getvalue().splitlines()
    assert line.startswith("classify: trees: done in 0.2 s ([b]fold 6)")


def test_a_terminal_has_a_bar_of_all_stages_with_the_time_left(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    with show_progress(Manner(), None, Outlook({"split": 2.0, "classify": 60.0})) as report:
        report(begin("split"))
        report(Step("split: reading", 2, 2))
        report(end("split"))
        report(begin("classify"))
    assert "all stages" in file.getvalue()
    assert "about 1 min left" in file.getvalue()
    assert "1/2" in file.getvalue()


def test_a_narrow_terminal_has_numbers_instead_of_bars(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    with show_progress(Manner(), None, Outlook({"split": 2.0, "classify": 60.0})) as report:
        report(begin("split"))
        report(Step("classify: trees", 30, 120, "fold 2"))
    assert re.search(r"classify: trees +30/120 fold 2", file.getvalue())
    assert "about 1 min left" in file.getvalue()


def test_the_log_lies_beside_the_artifacts_and_says_how_a_command_ended(tmp_path):
    directory = tmp_path / "run"

    def work():
        with show_progress(Manner(quiet=True), directory) as report:
            report(Step("before there is a directory", 1, 1))
            directory.mkdir()
            report(Step("work\x1b[31m", 1, 2, "note"))
            raise ConfigError("this cannot be")

    with pytest.raises(ConfigError):
        work()
    first, *lines = (directory / LOG_NAME).read_text().splitlines()
    assert " INFO anomaly " in first
    assert "(commit" in first
    assert [line.split(" ", 2)[1:] for line in lines] == [
        ["DEBUG", "before there is a directory: 1 of 1"],
        ["DEBUG", "work\\x1b[31m: 1 of 2 (note)"],
        ["ERROR", "this cannot be"],
    ]


def test_a_bug_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), logging_to(tmp_path, False):
        _ = 1 / 0
    assert "ZeroDivisionError: division by zero" in (tmp_path / LOG_NAME).read_text()


def test_a_refused_command_makes_no_directory_for_its_log(tmp_path):
    with pytest.raises(ConfigError), logging_to(tmp_path / "nowhere", False):
        raise ConfigError("no")
    assert not (tmp_path / "nowhere").exists()


def test_a_directory_that_may_not_be_written_to_has_no_log(tmp_path):
    (tmp_path / LOG_NAME).mkdir()
    with logging_to(tmp_path, False):
        pass
    assert (tmp_path / LOG_NAME).is_dir()


def test_a_verbose_command_shows_what_the_log_holds(copied):
    result = invoke("split", "--run", copied, "--verbose")
    assert result.exit_code == 0, result.output
    assert "INFO split: " in result.output
    assert "is up to date" in result.output
    assert "is up to date" in (copied / LOG_NAME).read_text().splitlines()[-2]


def test_quiet_and_verbose_contradict_each_other(copied):
    result = invoke("split", "--run", copied, "-q", "-v")
    assert result.exit_code == 2
    assert "--quiet and --verbose contradict each other" in result.output

"""The harnesses of benchmarks/reliability.py in small; full counts are in docs/reliability.md."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import reliability
from reliability_child import in_child
from reliability_flips import FAULTS as FLIP_FAULTS
from reliability_flips import read_flipped
from reliability_inputs import FAMILIES, load_everything, try_input
from reliability_inputs import FAULTS as INPUT_FAULTS
from reliability_kills import run_sequence


def test_a_flipped_bit_is_refused_or_without_consequence(finished, tmp_path):
    """A bit that is padding changes nothing; what is read is what was written, or nothing is."""
    artifacts = sorted(Path(shutil.copytree(finished, tmp_path / "run")).glob("*.h5"))
    trials = [(artifacts[number % len(artifacts)], number) for number in range(200)]
    state, found = in_child(lambda: [read_flipped(*trial) for trial in trials], 300.0)
    assert state == "done", found
    outcomes = Counter(found)
    assert not {fault: outcomes[fault] for fault in FLIP_FAULTS if outcomes[fault]}
    assert outcomes["refused"] > 100


@pytest.mark.parametrize("numbers", [range(16), pytest.param(range(16, 116), marks=pytest.mark.slow)], ids=len)
def test_bad_inputs_are_read_as_they_are_or_refused_with_a_sentence(numbers, tmp_path):
    load_everything()
    found = [try_input(tmp_path, number) for number in numbers]
    assert not [record for record in found if record["outcome"] in INPUT_FAULTS]
    assert {record["family"] for record in found} == set(FAMILIES)
    assert {record["outcome"] for record in found} == {"refused", "read"}


def test_whatever_a_child_does_is_told():
    def end():
        import os

        os._exit(3)

    assert in_child(lambda: "x", 60.0) == ("done", "x")
    assert in_child(lambda: 1 / 0, 60.0)[0] == "traceback"
    assert in_child(end, 60.0)[0] == "crash"
    assert in_child(lambda: __import__("time").sleep(60.0), 0.1)[0] == "hang"


def test_the_docs_state_what_was_measured():
    """The tables of docs/reliability.md are those that the kept records give."""
    text = (Path(__file__).parent.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    tables = "\n".join(reliability.table_lines()).split("\n\n")
    assert len(tables) == 3
    assert all(table in text for table in tables)


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "n_kills"), [("run", 3), ("scan", 2)])
def test_a_command_that_is_killed_at_random_ends_as_if_it_had_not_been(recipe, n_kills, tmp_path):
    found = run_sequence(tmp_path, recipe, 1, n_kills)
    assert found["kills"] > 0
    assert {name: count for name, count in found.items() if count and name != "kills"} == {}

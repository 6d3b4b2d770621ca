"""README and docs: every page in the navigation, small pictures, and shell blocks that are run or say why not."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import docs_pages  # noqa: E402

PAGES = sorted((ROOT / "docs").rglob("*.md"))
READ = [ROOT / "README.md", *PAGES, ROOT / "workflows" / "README.md"]
MARK = re.compile(r"\s*<!-- (?:run: .+|not run: .+|output of: .+|test command) -->")
COMMAND = re.compile(r"^\s*(?:\$ |\.venv/bin/)?(?:anomaly|pip|python3?|mkdocs|tools/\S+) ", re.MULTILINE)
LARGEST_PICTURE = 100_000
"""Bytes."""
AWKWARD = (
    "folds alike",
    "right are 0 and 1",
    "transport the identity",
    "waits for ever",
    "wait for ever",
    "of their fit",
)


def named(node):
    """Return every page that the navigation names."""
    if isinstance(node, str):
        return [node]
    return [page for inner in (node.values() if isinstance(node, dict) else node) for page in named(inner)]


def shell_blocks(path):
    """Return what stands before and in every block of commands of a file."""
    lines, found, start = path.read_text().splitlines(), [], None
    for number, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            if start is None:
                start = number
                continue
            content = "\n".join(lines[start + 1 : number])
            if lines[start].strip().removeprefix("```") in ("", "sh", "bash") and COMMAND.search(content):
                found.append((lines[start - 1], content))
            start = None
    return found


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page():
    entries = named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    written = [path.relative_to(ROOT / "docs").as_posix() for path in PAGES]
    assert sorted(entries) == sorted([*written, *docs_pages.pages()])


@pytest.mark.parametrize("path", READ, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_shell_block_is_run_or_says_why_not(path):
    for before, content in shell_blocks(path):
        first = content.splitlines()[0]
        assert MARK.fullmatch(before), (
            f"{path.name}: '{first}': write <!-- not run: WHY --> or <!-- run: tutorial --> above it"
        )


def test_pictures_are_small_and_used():
    text = "\n".join(path.read_text() for path in READ)
    for path in (ROOT / "docs" / "images").iterdir():
        assert path.stat().st_size < LARGEST_PICTURE, path.name
        assert f"images/{path.name}" in text, f"{path.name} is on no page"


def test_every_entry_of_the_glossary_has_two_sentences_and_the_entries_are_sorted():
    terms = re.findall(
        r"^## (.+)\n\n(.+?)(?=\n## |\Z)", (ROOT / "docs/glossary.md").read_text(), re.DOTALL | re.MULTILINE
    )
    names = [name.casefold() for name, _ in terms]
    assert names == sorted(names)
    for name, text in terms:
        plain = re.sub(r"\[[^\]]*\]\([^)]*\)", "", text)
        assert len(re.findall(r"[.!?](?:\s|$)", plain)) == 2, name
        assert "](" in text, f"{name}: no place to read on"


def test_words_that_readers_stumbled_over_are_gone():
    for path in READ:
        text = re.sub(r"\s+", " ", path.read_text()).lower()
        assert not [words for words in AWKWARD if words in text], path.name


def test_links_of_the_repository_become_links_of_the_site():
    shown = docs_pages.relinked(
        "[a](docs/scan.md#clusters) [b](workflows/README.md) [c](pyproject.toml) [d](https://e.org)\n"
        "![f](docs/images/g.png)\n"
        "```\n[h](docs/scan.md)\n```\n",
        Path("README.md"),
    )
    assert shown == (
        "[a](scan.md#clusters) [b](workflows.md) c (`pyproject.toml`) [d](https://e.org)\n![f](images/g.png)\n"
        "```\n[h](docs/scan.md)\n```\n"
    )
    assert (
        docs_pages.relinked("[`CHANGELOG.md`](../CHANGELOG.md)", Path("docs/a.md")) == "[`CHANGELOG.md`](changelog.md)"
    )


def test_the_page_of_the_command_line_has_every_command():
    import typer

    from anomaly_cli.cli.app import app
    from anomaly_cli.cli.groups import every_command

    page = docs_pages.command_line()
    headings = re.findall(r"^#+ `anomaly ?(.*)`$", page, flags=re.MULTILINE)
    assert headings == ["", *every_command(typer.main.get_command(app))]
    assert "--signal-region" in page
    assert "\nanomaly run --signal-region 3.3-3.7 --measure\n" in page


def test_the_page_of_python_has_what_is_public_and_nothing_that_is_not_there():
    import importlib

    import anomaly_cli

    verbs = set(docs_pages.PUBLIC["anomaly_cli.api.verbs"]) | {"open"}
    assert verbs == set(anomaly_cli._VERBS)
    for module, names in docs_pages.PUBLIC.items():
        assert all(hasattr(importlib.import_module(module), name) for name in names), module
    assert "an.plot.mjj" in docs_pages.python()


def test_the_tables_of_scores_are_those_of_the_stored_measurements(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    table = importlib.import_module("score_table")
    page = (ROOT / "docs" / "scores.md").read_text().splitlines()
    for lines in (table.lines(), table.search_lines()):
        place = page.index(lines[0])
        assert page[place : place + len(lines)] == lines


def test_what_large_batches_cost_is_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    study = importlib.import_module("large_batches")
    page = (ROOT / "docs" / "performance.md").read_text().splitlines()
    lines = study.lines(json.loads(study.RESULTS.read_text()))
    assert len(lines) == 4
    assert set(lines) <= set(page)


def test_what_our_flows_save_is_what_was_measured(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    study = importlib.import_module("flows")
    page = (ROOT / "docs" / "performance.md").read_text()
    assert "\n".join(study.lines(json.loads(study.RESULTS.read_text()))) in page


def test_faults_are_planted_in_searches_of_one_kind_and_one_for_each_set(monkeypatch):
    """Searches by other methods, and with signal, stand among the results of the null study as well."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    controls = importlib.import_module("controls")
    rows = controls.read(controls.null.RESULTS)
    mine = [row["set"] for row in rows if controls.is_without_fault(row)]
    assert len(mine) == len(set(mine)) == 10
    assert len({row["method"] for row in rows if row["region"] == controls.REGION}) > 1
    planted = {row["set"] for row in controls.read(controls.RESULTS)}
    assert planted <= set(mine)

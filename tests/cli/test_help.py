"""Lists of commands: whole sentences, whatever the width."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from anomaly_cli.cli.app import app


@pytest.mark.parametrize("width", [52, 80])
@pytest.mark.parametrize("group", [[], ["data"], ["scan"], ["significance"], ["morph"]], ids=str)
def test_lists_of_commands_are_whole_sentences_in_any_terminal(group, width):
    shown = CliRunner().invoke(app, [*group, "--help"], terminal_width=width)
    commands = shown.output.split("Commands:")[1].split("\n\n")[0]
    assert shown.exit_code == 0
    assert "..." not in commands
    assert commands.rstrip().endswith(".")
    assert max(len(line) for line in commands.splitlines()) <= width

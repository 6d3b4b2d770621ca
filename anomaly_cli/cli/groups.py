"""Lists of commands in the help."""

from __future__ import annotations

import sys
from typing import Any

from typer.core import TyperGroup

from anomaly_cli.report.notation import visible


class CommandGroup(TyperGroup):
    """Commands whose list says of each what it does in a whole sentence, folded where the terminal is narrow.

    Typer's own list cuts a sentence that does not fit its line.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command; what its parser says of arguments is shown without what a terminal would obey in them."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if hasattr(error, "show") and hasattr(error, "message"):
                error.message = visible(error.message)
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [(name, command) for name, command in commands if command is not None and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(sys.maxsize)) for name, command in shown])

"""What the documentation site holds beside docs/: a hook of MkDocs that makes these pages when the site is built.

Pages are made from what they are about (the command line, the docstrings, the settings, README, CHANGELOG.md), so that
no copy can grow old. Links between files of the repository become links between pages; what is on no page is named by
its path.
"""

from __future__ import annotations

import inspect
import json
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # of a checkout, installed or not

COPIED: Mapping[str, str] = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "workflows.md": "workflows/README.md",
}
"""Pages, and the files of the repository that they show."""
NOTEBOOK = "search.ipynb"
"""The notebook, in docs/; kept without its outputs, and executed by a test."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\((?!https?:)([^)\s]+)\)")
FENCED = re.compile(r"(```.*?```)", re.DOTALL)
PUBLIC: Mapping[str, tuple[str, ...]] = {
    "anomaly_cli.api.verbs": ("load", "split", "template", "templates", "classify", "count", "closure"),
    "anomaly_cli.api.runs": ("open_run", "Run"),
    "anomaly_cli.api.results": (
        "Data",
        "RegionEvents",
        "MadeTemplateEvents",
        "Scores",
        "Counts",
        "ClosureResult",
        "Frames",
    ),
}
"""What is public in Python, by module; `open` is called `open_run` there."""
CONTRACTS = (
    "anomaly_cli.methods.base",
    "anomaly_cli.classifiers.base",
    "anomaly_cli.scores.base",
    "anomaly_cli.core.seen",
    "anomaly_cli.core.events",
    "anomaly_cli.core.blocks",
    "anomaly_cli.core.windows",
    "anomaly_cli.core.compute",
    "anomaly_cli.core.streams",
    "anomaly_cli.core.errors",
    "anomaly_cli.testing",
)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made."""
    from mkdocs.structure.files import File

    for name, make in pages().items():
        files.append(File.generated(config, name, content=make()))
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links between files of the repository to pages."""
    source = Path(COPIED.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    return relinked(markdown, source)


def pages() -> dict[str, Callable[[], str]]:
    """Return every page that is made, and what makes its text."""
    copied = {page: lambda path=path: (ROOT / path).read_text(encoding="utf-8") for page, path in COPIED.items()}
    return {
        **copied,
        "cli.md": command_line,
        "settings.md": settings,
        "python.md": python,
        "contracts.md": contracts,
        "members.md": members,
        "citing.md": citing,
        "notebook.md": notebook,
    }


def relinked(markdown: str, source: Path) -> str:
    """Return a text of the file `source` of the repository with links that lead within the site."""
    shown = {path: page for page, path in COPIED.items()} | {"CITATION.cff": "citing.md"}

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups(default="")
        path = os.path.normpath(source.parent / target)
        page = shown.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if page:
            return f"[{text}]({page}{anchor})"
        return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"

    def image(found: re.Match[str]) -> str:
        return f"![{found[1]}]({os.path.normpath(source.parent / found[2]).removeprefix('docs/')})"

    parts = FENCED.split(markdown)
    return "".join(part if FENCED.match(part) else IMAGE.sub(image, LINK.sub(link, part)) for part in parts)


def command_line() -> str:
    """Return the page of every command: what it does, examples, arguments and options."""
    import typer

    from anomaly_cli.cli.app import app
    from anomaly_cli.cli.groups import PROGRAM

    root = typer.main.get_command(app)
    lines = ["# Command line", "", "Made from the program; `-h` shows the same in a terminal.", ""]
    return "\n".join([*lines, *_commands(root, PROGRAM)]) + "\n"


def _commands(command: Any, path: str) -> Iterator[str]:
    from anomaly_cli.cli.groups import EXAMPLES

    context = command.make_context(path, [], resilient_parsing=True)
    text, *examples = EXAMPLES.split("\n" + inspect.cleandoc(command.help or ""))
    yield from (f"{'#' * min(2 + path.count(' '), 4)} `{path}`", "", text.strip(), "")
    shown = [line.strip() for example in examples for line in example.splitlines() if line.strip()]
    if shown:
        yield from ("```sh", *shown, "```", "")
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if records:
        rows = (f"| {_code(names)} | {_cell(meaning)} |" for names, meaning in records)
        yield from ("| option | meaning |", "|---|---|", *rows, "")
    for name, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _commands(inner, f"{path} {name}")


def _cell(text: str) -> str:
    """Return a text as a cell of a table, its brackets and bars as characters."""
    return re.sub(r"([|\[\]<*])", r"\\\1", re.sub(r"\s+", " ", text))


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def settings() -> str:
    """Return the page of every setting, as `anomaly config` prints them."""
    from typer.testing import CliRunner

    from anomaly_cli.cli.app import app

    printed = CliRunner().invoke(app, ["config"])
    if printed.exit_code:
        raise SystemExit(f"anomaly config: {printed.output}")
    head = "# Settings\n\nWhat `anomaly config` prints: each with its default, its unit and what is sensible."
    return f"{head} Also as `--set TABLE.NAME=VALUE`.\n\n```toml\n{printed.output.strip()}\n```\n"


def python() -> str:
    """Return the page of what is public in Python."""
    head = "# Python API\n\nWhat `import anomaly_cli as an` offers. With examples: [Python](api.md)."
    drawn = "\n".join(f"- `an.plot.{plot.name}`: {plot.summary}" for plot in _plots())
    parts = (_documented(module, members=names) for module, names in PUBLIC.items())
    documented = "\n\n".join((*parts, "## an.plot", drawn))
    return f"{head}\n\n{documented}\n"


def contracts() -> str:
    """Return the page of what a plug-in is given and has to give."""
    head = "# Contracts of plug-ins\n\nWhat a method, a classifier or a score is given, and what it returns."
    return "\n\n".join((f"{head} How to write one: [plug-ins](plugins.md).", *map(_documented, CONTRACTS))) + "\n"


def members() -> str:
    """Return the page of all template methods, classifiers and scores."""
    parts = ["# Methods, classifiers, scores", "Their fields are their settings: `--set methods.NAME.FIELD=VALUE`."]
    for package in ("methods", "classifiers", "scores"):
        parts.append(f"## {package}")
        modules = pkgutil.iter_modules(import_module(f"anomaly_cli.{package}").__path__)
        parts += [_documented(f"anomaly_cli.{package}.{module.name}", 3) for module in modules if module.name != "base"]
    return "\n\n".join(parts) + "\n"


def citing() -> str:
    """Return the page of what to cite."""
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    how = (
        "`anomaly cite` prints the entry of this program, `anomaly cite --run DIR` those of every method and data set"
        " that a run used as well; a report ends with the same."
    )
    return f"# Citing\n\n{how}\n\n```yaml\n{cited.strip()}\n```\n"


def notebook() -> str:
    """Return the page of the notebook: its text and its cells."""
    cells = json.loads((ROOT / "docs" / NOTEBOOK).read_text(encoding="utf-8"))["cells"]
    shown = [("".join(cell["source"]), cell["cell_type"] == "code") for cell in cells]
    parts = [f"```python\n{text}\n```" if is_code else text for text, is_code in shown]
    parts.insert(1, f"As a file: [{NOTEBOOK}]({NOTEBOOK}). A test runs it.")
    return "\n\n".join(parts) + "\n"


def _documented(module: str, level: int = 2, members: Sequence[str] = ()) -> str:
    chosen = f"      members: [{', '.join(members)}]\n" if members else ""
    return f"::: {module}\n    options:\n      heading_level: {level}\n{chosen}"


def _plots() -> list[Any]:
    from anomaly_cli.report.plots.registry import find_plots

    return list(find_plots().values())

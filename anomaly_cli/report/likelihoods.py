"""The likelihoods of a run for others: HistFactory and HS3 files, and what has to be known to use them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_cli.artifacts.store import Artifact
from anomaly_cli.report.hs3 import to_hs3

SHARING = """Each file is one test, with mu = 1 at a number of signal events of its own: limits on mu do not compare.
Cuts of one signal region are nested, and the bump hunt is of the same events: never multiply these likelihoods.
Parameters of the same name, as systematics may have, are the same effect.
"""
"""What has to be known of all of them."""


@dataclass(frozen=True)
class Likelihood:
    """One workspace for others.

    Attributes:
        file: its name.
        table: name of the table that it belongs to.
        workspace: HistFactory JSON.
        contents: what it contains, in words.
    """

    file: str
    table: str
    workspace: Mapping[str, Any]
    contents: str

    @property
    def content(self) -> bytes:
        """The file."""
        return json.dumps(self.workspace, indent=1).encode()

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"HistFactory likelihood, {self.workspace['measurements'][0]['name']}. Contents: {self.contents}."


def find_likelihoods(counted: Mapping[str, Artifact], contents: Mapping[str, str]) -> list[Likelihood]:
    """Return the workspaces of all tests.

    Args:
        counted: the count and, where there is one, the bump hunt, by the names of their tables.
        contents: what the numbers of each table contain, in words.
    """
    found = []
    for table, artifact in counted.items():
        for text in filter(None, map(str, artifact.groups["tests"]["workspace"])):
            workspace = json.loads(text)
            found.append(Likelihood(f"{workspace['channels'][0]['name']}.json", table, workspace, contents[table]))
    return found


def likelihood_files(likelihoods: Sequence[Likelihood]) -> dict[Path, bytes]:
    """Return files by path; as HS3 only the likelihoods of the count, whose constraints it is tried with."""
    said = [f"{one.file}\n  {one.description}" for one in likelihoods]
    files = {Path("histfactory/README.txt"): "\n".join([SHARING, *said, ""]).encode()}
    for one in likelihoods:
        files[Path("histfactory") / one.file] = one.content
        if one.table == "counts":
            text = json.dumps(to_hs3(one.workspace, one.description), indent=1)
            files[Path("hs3-experimental") / one.file] = text.encode()
    return files

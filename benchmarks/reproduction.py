"""The page docs/reproduction.md, from results of `anomaly reproduce run` that lie in benchmarks/results/reproduction.

anomaly reproduce run sic-trees --output reproduction
cp reproduction/sic-trees-quick.json benchmarks/results/reproduction/
python benchmarks/reproduction.py
"""

from __future__ import annotations

from pathlib import Path

from anomaly_cli.artifacts.reproduction import read_reproduction
from anomaly_cli.report.render.markdown import escape, render
from anomaly_cli.report.render.registry import About
from anomaly_cli.report.reproduction import reproduction_report
from anomaly_cli.reproduce.published import not_found, read_published
from anomaly_cli.reproduce.targets import find_targets, load_target

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reproduction"
PAGE = ROOT / "docs" / "reproduction.md"
HEAD = """# Reproduction

This page is made by `python benchmarks/reproduction.py` from results that were run; nothing on it is typed. `anomaly
reproduce run NAME` makes each of them again. How it works, and how to add a target: [reproduce](reproduce.md).

Published values are numbers of the papers, each with how it was read. Ours are of the file that is stated, with default
settings unless the name of a row says otherwise. A value that was not run says why.
"""


def page() -> str:
    """Return the page."""
    results = [read_reproduction(path) for path in sorted(RESULTS.glob("*.json"))]
    blocks = [HEAD]
    for found in results:
        seeds = len(found.settings["seeds"])
        about = About(f"reproduce run {found.target} --scale {found.scale} --seeds {seeds}")
        blocks.append(f"## {found.target}, {found.scale}\n\n{render(reproduction_report(found), about)}")
    run = {found.target for found in results}
    left = [load_target(name) for name in find_targets() if name not in run]
    lines = [f"- `{t.name}` ({', '.join(t.papers)}): {escape(t.waits_for or 'not run for this page')}" for t in left]
    blocks.append("## Not on this page\n\n" + "\n".join(lines) + "\n")
    unknown = dict.fromkeys(
        text for name in find_targets() for text in not_found(read_published(load_target(name).published))
    )
    blocks.append(
        "## Published values that are in no public text\n\n" + "\n".join(f"- {escape(t)}" for t in unknown) + "\n"
    )
    return "\n".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""The tables of scores and families over signal strengths in docs/scores.md, made of what the benchmarks have kept.

A row says from how many draws its mean and the error of the mean come, and what it was measured by; what was not
measured is left empty. tests/test_docs.py compares the page with this.

    python benchmarks/score_table.py
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
DRAWN = {63: "0.5", 139: "1.1", 278: "2.2"}
"""Strengths by signal events in the signal region of `r_anode_draws.py`."""
SCORES = {
    "sic": "`r_anode`",
    "sic_trees": "`trees` on true background",
    "sic_averaged": "both, averaged",
}
FAMILIES = {
    "trees": "`trees` on true background",
    "mlp": "`mlp` on true background",
    "averaged": "`averaged` on true background",
    "supervised trees": "`trees`, supervised",
}
INJECTED = {80: "0.5", 177: "1.1", 354: "2.2"}
"""Strengths by signal events over the whole spectrum of `scores.py`."""
SEARCHED = "curtains_f4f"
EFFICIENCIES = ("0.01", "0.001")
Values = Mapping[tuple[str, str], Sequence[float]]
"""SIC of every background by strength and background efficiency."""


def main() -> None:
    """Print the tables."""
    print("\n".join([*lines(), "", *search_lines()]))


def lines() -> list[str]:
    """Return the table in Markdown, line by line."""
    columns = [(strength, efficiency) for strength in DRAWN.values() for efficiency in EFFICIENCIES]
    head = ["score", "by", *(f"S/sqrt(B) {strength}, {float(cut) * 100:g} %" for strength, cut in columns), "CPU s"]
    made = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, source, values, cpu in (*drawn_rows(), *family_rows()):
        cells = [name, f"`{source}`", *(cell(values.get(column, ())) for column in columns), f"{cpu:.0f}"]
        made.append(f"| {' | '.join(cells)} |")
    return made


def search_lines() -> list[str]:
    """Return the table of whole searches by each score, `scores.py`, in Markdown, line by line."""
    rows = [row for row in read("scores.json") if row["method"] == SEARCHED and "sic" in row]
    columns = [(injected, efficiency) for injected in INJECTED for efficiency in EFFICIENCIES]
    head = ["score", *(f"S/sqrt(B) {INJECTED[n]}, {float(cut) * 100:g} %" for n, cut in columns), "CPU s"]
    made = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    found: dict[str, dict[tuple[int, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for efficiency in EFFICIENCIES:
            found[row["score"]][row["injected"], efficiency].append(row["sic"][efficiency])
    for score in sorted(found, key=lambda name: -statistics.mean(found[name][max(INJECTED), "0.01"])):
        cpu = statistics.mean(row["cpu"] for row in rows if row["score"] == score)
        made.append(f"| `{score}` | {' | '.join(cell(found[score][column]) for column in columns)} | {cpu:.0f} |")
    return made


def cell(values: Sequence[float]) -> str:
    """Return mean, error of the mean and number of values."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.1f} (1)"
    return f"{statistics.mean(values):.2f} +- {statistics.stdev(values) / len(values) ** 0.5:.2f} ({len(values)})"


def drawn_rows() -> Iterator[tuple[str, str, Values, float]]:
    """Yield the rows of `r_anode_draws.py`, of the same draws; those of one background are one value, their mean.

    They share fluctuations, so that the scatter of backgrounds is what tells the error.
    """
    rows = [row for row in read("r_anode_draws.json") if row["drawn"] in DRAWN]
    for key, name in SCORES.items():
        found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            for efficiency in EFFICIENCIES:
                found[DRAWN[row["drawn"]], efficiency][row["set"]].append(row[key][efficiency])
        values = {place: [statistics.mean(of_set) for of_set in sets.values()] for place, sets in found.items()}
        cpus = {"sic": "cpu", "sic_trees": "cpu_trees"}
        used = [cpus[key]] if key in cpus else list(cpus.values())
        yield name, "r_anode_draws", values, statistics.mean(sum(row[cpu] for cpu in used) for row in rows)


def family_rows() -> Iterator[tuple[str, str, Values, float]]:
    """Yield the rows of `classifiers.py` without noise."""
    found = {tuple(key.split(" | ")): figures for key, figures in read("classifiers.json").items()}
    for family, name in FAMILIES.items():
        values: dict[tuple[str, str], list[float]] = {}
        own = {key: figures for key, figures in found.items() if key[0] == family and key[2] == "noise 0"}
        for (_, strength, *_), figures in own.items():
            for efficiency in EFFICIENCIES:
                values.setdefault((strength, efficiency), []).append(figures["sic"][efficiency])
        if own:
            yield name, "classifiers", values, statistics.mean(figures["cpu"] for figures in own.values())


def read(name: str) -> Any:
    """Return what a benchmark has kept."""
    return json.loads((RESULTS / name).read_text())


if __name__ == "__main__":
    main()

"""Tables of what `performance.py` has measured: the section of docs/performance.md, and ratios of two files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""Lines between which the section stands; what is between them is written by `python -m benchmarks --page`."""
WITHOUT, IMPROVEMENT = "without signal", "improvement"
TRUE, HELD_OUT = "signal region, true background", "side-bands, held-out events"
Cases = Mapping[str, Mapping[str, Any]]


def write_page(results: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], page: Path = PAGE) -> None:
    """Replace the section of the page; `others` are results to compare with, by what they are of.

    Raises:
        SystemExit: where the page has no such section.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page}: has no lines {BEGIN} and {END}")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{section(results, others)}\n{END}{after}", encoding="utf-8")


def section(results: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the section: machine, stages of the default run, quality, what it scales with, and ratios to others."""
    cases: Cases = results["cases"]
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    default = {name: case for name, case in cases.items() if name.startswith("default")}
    busy = max((load for case in cases.values() for load in case["load"]), default=0.0) > results["machine"].get(
        "cores", 0
    )
    note = " Others used the machine: wall times say nothing." if busy else ""
    parts = [
        [f"Machine: {machine}; one thread per process.{note}"],
        *(list(stage_lines(n, c)) for n, c in default.items()),
    ]
    parts.append(list(quality_lines(cases)))
    for kind, what in (("events", "n_events"), ("regions", "n_regions")):
        found = {name: case for name, case in cases.items() if name.startswith(kind)}
        parts.append(list(scaling_lines(kind, what, found)))
    for name, other in others.items():
        parts.append([f"Ratios to {name}:", "", *compare(results, other)])
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def stage_lines(name: str, case: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of the stages of a run."""
    yield row(name, "wall time [s]", "CPU time [s]", "peak memory [MB]", "events per CPU second")
    yield row("---", *["---:"] * 4)
    for stage, took in (*case["stages"].items(), ("all", case["all"])):
        rate = f"{case['n_events'] / took['cpu']:,.0f}" if took["cpu"] > 0.0 else "-"
        yield row(stage, f"{took['wall']:.1f}", f"{took['cpu']:.1f}", took["memory"] or "-", rate)
    yield ""
    yield f"{case['n_events']:,} events; load of the machine {case['load'][0]:g} before and {case['load'][1]:g} after."


def quality_lines(cases: Cases) -> Iterator[str]:
    """Yield what the default run is worth: closure, SIC with signal, Z without."""
    found = {name: cases[name]["quality"] for name in ("default, processes 1", WITHOUT, IMPROVEMENT) if name in cases}
    if not found:
        return
    yield row("quality, seed 1", "", "")
    yield row("---", "---", "---")
    for name, quality in found.items():
        for check, value in quality.get("closure", {}).items():
            signal = "without signal" if name == WITHOUT else "signal injected"
            yield row("closure AUC", f"{check}; {signal}", plus_minus(value, 4))
    for cut, value in found.get(IMPROVEMENT, {}).get("sic", {}).items():
        yield row("SIC", f"{100 * float(cut):g} %", plus_minus(value, 2))
    for cut, z in found.get(WITHOUT, {}).get("z", {}).items():
        yield row("Z without signal, statistics only", f"{100 * float(cut):g} %", f"{z:.2f}")


def scaling_lines(kind: str, what: str, cases: Cases) -> Iterator[str]:
    """Yield the table of what costs grow with."""
    if not cases:
        return
    each = "CPU time per event [us]" if kind == "events" else "CPU time per region [s]"
    yield row(kind, "processes", "wall time [s]", "CPU time [s]", each, "peak memory [MB]", "closure AUC", "load")
    yield row("---", *["---:"] * 7)
    for name, case in sorted(cases.items(), key=lambda one: numbers(one[0])):
        took, n = case["all"], case[what]
        cost = f"{1e6 * took['cpu'] / n:.0f}" if kind == "events" else f"{took['cpu'] / n:.1f}"
        closure = case["quality"]["closure"]
        best = closure.get(TRUE, closure.get(HELD_OUT, [float("nan"), 0.0]))
        load = f"{case['load'][0]:g} to {case['load'][1]:g}"
        cells = (f"{took['wall']:.0f}", f"{took['cpu']:.0f}", cost, took["memory"], f"{best[0]:.4f}", load)
        yield row(f"{n:,}", numbers(name)[1], *cells)


def compare(mine: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of ratios of what both have measured, mine over the other; qualities as differences."""
    yield row("case", "stage", "wall", "CPU", "memory")
    yield row("---", "---", "---:", "---:", "---:")
    both = [name for name in mine["cases"] if name in other["cases"]]
    for name in both:
        cases = [one["cases"][name] for one in (mine, other)]
        stages = [stage for stage in cases[0]["stages"] if stage in cases[1]["stages"]]
        for stage in (*stages, "all"):
            took = [case["all"] if stage == "all" else case["stages"][stage] for case in cases]
            yield row(name, stage, *(ratio(took[0][key], took[1][key]) for key in ("wall", "cpu", "memory")))
    yield ""
    for name in both:
        differences = dict(differing(*(one["cases"][name]["quality"] for one in (mine, other))))
        changed = [f"{key} by {value:+.4f}" for key, value in differences.items() if value]
        said = f": {'; '.join(changed)}" if changed else ""
        yield f"{name}: {len(differences)} measures of quality, {len(changed)} differ{said}."


def differing(mine: Any, other: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Yield the differences of the numbers that both have, by their names."""
    if isinstance(mine, dict) and isinstance(other, dict):
        for key in (key for key in mine if key in other):  # in order
            yield from differing(mine[key], other[key], f"{name} {key}".strip())
    elif isinstance(mine, list) and isinstance(other, list):
        yield name, mine[0] - other[0]
    elif isinstance(mine, float) and isinstance(other, float):
        yield name, mine - other


def ratio(one: float, other: float) -> str:
    """Return a ratio as text, and nothing where there is none."""
    return f"{one / other:.2f}" if other > 0.0 else ""


def plus_minus(value: Sequence[float], digits: int) -> str:
    """Return a number with its error."""
    return f"{value[0]:.{digits}f} +- {value[1]:.{digits}f}"


def numbers(name: str) -> list[int]:
    """Return the numbers in the name of a case."""
    return [int(text) for text in re.findall(r"\d+", name)]


def row(*cells: object) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"

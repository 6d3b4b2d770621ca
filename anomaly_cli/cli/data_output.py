"""Calls what `anomaly data` and `anomaly simulate` ask for and prints it; imported only when a command runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

from anomaly_cli.cli.execution import show
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.config import Config
from anomaly_cli.core.errors import DataError
from anomaly_cli.core.windows import parse_mass
from anomaly_cli.datasets.description import Description, describe
from anomaly_cli.datasets.fetching import LOCK_NAME, MIRROR_VARIABLE, FileState, fetch, inspect_files, store_folder
from anomaly_cli.datasets.generator import Process
from anomaly_cli.datasets.manifests import SHIPPED, Manifest, load_manifest, manifest_names
from anomaly_cli.datasets.rawfeatures import RawOptions, make_features
from anomaly_cli.datasets.simulate import Simulation, simulate
from anomaly_cli.report.datasets import make_table, size_text


def print_list() -> None:
    """Print all data sets; sizes on disk are looked at, checksums are not."""
    store = store_folder(None)
    rows = []
    for name in manifest_names():
        manifest = load_manifest(name)
        is_here = manifest.is_shipped or all((store / file.name).is_file() for file in manifest.files)
        where = "shipped" if manifest.is_shipped else "yes" if is_here else "no"
        rows.append([name, manifest.title, size_text(manifest.bytes), where])
    show(make_table("", ["data set", "what", "size", "here"], rows, numeric=["size"]))
    show(Text(f"Fetched files lie in {store}/ (variable ANOMALY_DATA)."))
    show(Text("Next: anomaly data show NAME, anomaly data fetch NAME"))


def print_manifest(name: str) -> None:
    """Print what is known of a data set."""
    manifest = load_manifest(name)
    facts = {
        "title": manifest.title,
        "source": f"{manifest.source} {manifest.url}".strip(),
        "licence": manifest.licence,
        "cite": manifest.citation,
        "layout": manifest.layout,
        "background events": str(manifest.n_background or "not known"),
        "signal events": str(manifest.n_signal or "none or not known"),
        "recipe": " ".join(manifest.recipe.split()) or "see the record",
    }
    show(Text(f"{manifest.name}", style="bold"))
    show(make_table("", ["fact", "value"], facts.items()))
    rows = [[f.name, f.holds, size_text(f.bytes), f.sha256 or f.md5 or "not known"] for f in manifest.files]
    show(make_table("Files", ["file", "holds", "size", "checksum"], rows, numeric=["size"]))
    columns = [[column, *text.partition("; ")[::2]] for column, text in manifest.columns.items()]
    show(make_table("Columns", ["column", "unit", "meaning"], columns))


def fetch_and_print(name: str, folder: Path | None, mirror: str | None, quiet: bool) -> None:
    """Fetch a data set and print what is there now."""
    manifest, store = load_manifest(name), store_folder(folder)
    before = {state.path: state for state in inspect_files(manifest, store)}
    with show_progress(quiet) as progress:
        states = fetch(manifest, store, mirror or os.environ.get(MIRROR_VARIABLE, ""), progress)
    for state in states:
        was_there = not before[state.path].problem
        show(Text(f"{state.path}: {'already here' if was_there else 'fetched'}, checked against the {state.basis}"))
        if before[state.path].basis == "nothing":
            show(
                Text(
                    f"No checksum was known for {state.file.name}; that of the file now here was written to"
                    f" {store / LOCK_NAME} and is used from now on."
                )
            )
    _say_next(manifest, states)


def _say_next(manifest: Manifest, states: Sequence[FileState]) -> None:
    events = next(state.path for state in states if state.file.holds == "events")
    labels = [f" --labels {state.path}" for state in states if state.file.holds == "labels"]
    if " raw" in manifest.layout:
        show(Text(f"Next: anomaly data features {events} {manifest.name}.features.h5{''.join(labels)}", no_wrap=False))
    else:
        show(Text(f"Next: anomaly data describe {events}"))


def print_verification(name: str, folder: Path | None) -> None:
    """Print the state of every file; fail where one is wrong."""
    manifest, store = load_manifest(name), store_folder(folder)
    states = inspect_files(manifest, store)
    rows = []
    for state in states:
        fine = "there; no checksum is known" if state.basis == "nothing" else f"whole, by the {state.basis}"
        rows.append([state.file.name, state.problem or fine])
    show(make_table("", ["file", "state"], rows))
    wrong = [state for state in states if state.problem]
    if wrong:
        raise DataError(
            f"{wrong[0].path}: {wrong[0].problem}; get it with 'anomaly data fetch {name}', or put a copy of"
            f" {manifest.url}{wrong[0].file.name} there"
        )


def print_paths(name: str, folder: Path | None) -> None:
    """Print one path a line; fail where a file is not there."""
    for state in _whole_files(name, folder):
        typer.echo(str(state.path))


def _whole_files(name: str, folder: Path | None) -> Sequence[FileState]:
    states = inspect_files(load_manifest(name), store_folder(folder))
    for state in states:
        if state.problem:
            raise DataError(f"{state.path}: {state.problem}; get it with 'anomaly data fetch {name}'")
    return states


def print_description(file: Path, key: str) -> None:
    """Print what a file is; the events of a data set where this is the name of one and of no file."""
    if not file.exists() and str(file) in (SHIPPED, *manifest_names()):
        file = next(state.path for state in _whole_files(str(file), None) if state.file.holds == "events")
    found: Description = describe(file, key)
    events = f"{found.n_events} events"
    if found.n_signal >= 0:
        events += f", of these {found.n_signal} signal"
    if found.n_duplicates >= 0:
        events += f"; {found.n_duplicates} equal an earlier one"
    show(Text(f"{file}: {found.layout}"))
    show(Text(events + ("" if found.n_signal >= 0 else "; no labels")))
    rows = [[c.name, f"{c.low:.5g}", f"{c.median:.5g}", f"{c.high:.5g}", str(c.n_bad)] for c in found.columns]
    headers = ["column", "smallest", "median", "largest", "NaN"]
    show(make_table("Columns (masses and momenta in GeV where the layout says so)", headers, rows, headers[1:]))
    if found.regions:
        region_headers = ["window [TeV]", "background", "signal"]
        show(
            make_table(
                "Regions", region_headers, [[w, str(b), str(s)] for w, b, s in found.regions], region_headers[1:]
            )
        )
    if found.problem:
        show(Text(f"Note: {found.problem}"))
    show(Text(f"Next: {found.next_command}"))


def make_features_and_print(
    raw: Path,
    out: Path,
    labels: Path | None,
    extended: bool,
    constituents: bool,
    processes: int | None,
    quiet: bool,
) -> None:
    """Cluster raw events and print what was made."""
    settings = RawOptions(extended, constituents, labels)
    with show_progress(quiet) as progress:
        made = make_features(raw, out, settings, Config(processes=processes or 0).n_processes, progress)
    rows = [
        ["raw events read", str(made.n_read)],
        ["with two jets, written", str(made.n_written)],
        ["leading jet passes pT > 1.2 TeV, |eta| < 2.5", str(made.n_passing)],
    ]
    show(make_table("", ["events", "number"], rows, ["number"]))
    show(Text(f"{made.path}: written, {len(made.names)} columns" + (" and constituents" if constituents else "")))
    show(Text(f"Next: anomaly data describe {made.path}"))


def simulate_and_print(
    process: str,
    n_events: int,
    out: Path | None,
    seed: int,
    masses: tuple[str, str, str],
    extra: Sequence[str],
    processes: int | None,
    quiet: bool,
) -> None:
    """Simulate events and print what was made, and how fast."""
    mass, mx, my = (parse_mass(text) for text in masses)
    simulation = Simulation(Process(process, mass, mx, my, tuple(extra)), n_events, seed)
    target = out or Path(f"{process}-{seed}.h5")
    with show_progress(quiet) as progress:
        made = simulate(simulation, target, Config(processes=processes or 0).n_processes, progress)
    speed = f"{made.n_passed_now / made.cpu_seconds:.0f}" if made.cpu_seconds else "all chunks were here"
    rows = [
        ["generated in full", str(made.n_generated)],
        ["of these pass the trigger", str(made.n_passed)],
        ["written", str(made.n_events)],
        ["passing events a CPU second", speed],
    ]
    show(make_table("", ["events", "number"], rows, ["number"]))
    show(Text(f"{made.path}: written"))
    show(Text(f"Next: anomaly data describe {made.path}"))

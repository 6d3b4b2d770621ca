"""Calls what `anomaly data` and `anomaly simulate` ask for and prints it; imported only when a command runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from anomaly_cli.artifacts.store import write_files
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.output import say, show
from anomaly_cli.cli.progress import show_progress
from anomaly_cli.config import Config
from anomaly_cli.core.errors import ArtifactError, DataError
from anomaly_cli.core.windows import COLLISION_ENERGY, parse_mass
from anomaly_cli.datasets.description import Description, describe
from anomaly_cli.datasets.fetching import MIRROR_VARIABLE, FileState, fetch, inspect_files, store_folder
from anomaly_cli.datasets.generator import Process
from anomaly_cli.datasets.manifests import LOCK_NAME, SHIPPED, Manifest, load_manifest, manifest_names
from anomaly_cli.datasets.rawfeatures import RawOptions, make_features
from anomaly_cli.datasets.simulate import Simulation, simulate
from anomaly_cli.datasets.skeleton import manifest_skeleton
from anomaly_cli.report import datasets as report
from anomaly_cli.report.cells import Missing
from anomaly_cli.report.table import Level, Message, Part


def print_list() -> None:
    """Print all data sets; sizes on disk are looked at, checksums are not."""
    store = store_folder(None)
    rows = []
    for name in manifest_names():
        manifest = load_manifest(name)
        is_here = manifest.is_shipped or all((store / file.name).is_file() for file in manifest.files)
        where = "shipped" if manifest.is_shipped else "yes" if is_here else "no"
        rows.append((name, manifest.title, report.size_cell(manifest.bytes), where))
    show(report.data_sets_table(rows))
    say(f"Fetched files lie in {store}/ (variable ANOMALY_DATA).")
    say("Next: anomaly data show NAME, anomaly data fetch NAME")


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
    files = [(f.name, f.holds, report.size_cell(f.bytes), f.sha256 or f.md5 or "not known") for f in manifest.files]
    columns = [(column, *text.partition("; ")[::2]) for column, text in manifest.columns.items()]
    headline = Message(manifest.name, Level.HEADLINE)
    show([headline, report.facts_table(facts), report.files_table(files), report.meanings_table(columns)])


def fetch_and_print(name: str, folder: Path | None, mirror: str | None, manner: Manner) -> None:
    """Fetch a data set and print what is there now."""
    manifest, store = load_manifest(name), store_folder(folder)
    before = {state.path: state for state in inspect_files(manifest, store)}
    with show_progress(manner) as progress:
        states = fetch(manifest, store, mirror or os.environ.get(MIRROR_VARIABLE, ""), progress)
    for state in states:
        was_there = not before[state.path].problem
        say(f"{state.path}: {'already here' if was_there else 'fetched'}, checked against the {state.basis}")
        if before[state.path].basis == "nothing":
            say(
                f"No checksum was known for {state.file.name}; that of the file now here was written to"
                f" {store / LOCK_NAME} and is used from now on."
            )
    _say_next(manifest, states)


def _say_next(manifest: Manifest, states: Sequence[FileState]) -> None:
    events = next(state.path for state in states if state.file.holds == "events")
    labels = [f" --labels {shlex.quote(str(state.path))}" for state in states if state.file.holds == "labels"]
    if " raw" in manifest.layout:
        say(f"Next: anomaly data features {shlex.quote(str(events))} {manifest.name}.features.h5{''.join(labels)}")
    else:
        say(f"Next: anomaly data describe {shlex.quote(str(events))}")


def print_verification(name: str, folder: Path | None) -> None:
    """Print the state of every file; fail where one is wrong."""
    manifest, store = load_manifest(name), store_folder(folder)
    states = inspect_files(manifest, store)
    rows = []
    for state in states:
        fine = "there; no checksum is known" if state.basis == "nothing" else f"whole, by the {state.basis}"
        rows.append((state.file.name, state.problem or fine))
    show(report.states_table(rows))
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
    parts: list[Part] = [
        Message(f"{file}: {found.layout}"),
        Message(events + ("" if found.n_signal >= 0 else "; no labels")),
        report.ranges_table((c.name, c.low, c.median, c.high, c.n_bad) for c in found.columns),
    ]
    if found.n_left_out:
        parts.append(Message(f"{found.n_left_out} more columns are not shown, of which the layout uses none."))
    if found.regions:
        parts.append(report.truth_table(found.regions))
    if found.problem:
        parts.append(Message(f"Note: {found.problem}"))
    show(parts)
    say(f"Next: {found.next_command}")


def write_manifest_and_print(file: Path, out: Path | None, key: str) -> None:
    """Write the skeleton of a manifest beside an event file, and say what is next."""
    target = out or file.with_name(f"{file.name.removesuffix(file.suffix)}.toml")
    if target.exists():
        raise ArtifactError(f"{target}: exists already and was not overwritten; name another file with --out")
    write_files({target: manifest_skeleton(file, key).encode()})
    say(f"{target}: written; look at the lines marked CHECK")
    say(f"Next: anomaly data describe {shlex.quote(str(target))}")


def make_features_and_print(
    raw: Path,
    out: Path,
    settings: RawOptions,
    processes: int | None,
    manner: Manner,
) -> None:
    """Cluster raw events and print what was made."""
    with show_progress(manner) as progress:
        made = make_features(raw, out, settings, Config(processes=processes or 0).n_processes, progress)
    rows = [
        ("raw events read", made.n_read),
        ("with two jets, written", made.n_written),
        ("leading jet passes pT > 1.2 TeV, |eta| < 2.5", made.n_passing),
    ]
    show(report.numbers_table(rows))
    say(
        f"{made.path}: written, {len(made.names)} columns"
        + (" and constituents" if settings.keeps_constituents else "")
    )
    say(f"Next: anomaly data describe {shlex.quote(str(made.path))}")


def simulate_and_print(
    process: str,
    n_events: int,
    out: Path | None,
    seed: int,
    masses: tuple[str, str, str, str],
    extra: Sequence[str],
    processes: int | None,
    manner: Manner,
) -> None:
    """Simulate events and print what was made, and how fast."""
    mass, mx, my, energy = (parse_mass(text) for text in masses)
    simulation = Simulation(Process(process, mass, mx, my, tuple(extra), energy), n_events, seed)
    target = out or Path(f"{process}-{seed}.h5")
    with show_progress(manner) as progress:
        made = simulate(simulation, target, Config(processes=processes or 0).n_processes, progress)
    speed = made.n_passed_now / made.cpu_seconds if made.cpu_seconds else Missing("all chunks were here")
    rows = [
        ("generated in full", made.n_generated),
        ("of these pass the trigger", made.n_passed),
        ("written", made.n_events),
        ("passing events a CPU second", speed),
    ]
    show(report.numbers_table(rows))
    say(f"{made.path}: written")
    if energy != COLLISION_ENERGY:
        said = f'file = "{made.path.name}" and collision_energy = "{energy / 1000.0:g} TeV"'
        say(f"Analyse it by a manifest beside it that says {said}, since no event file says its energy.")
        return
    say(f"Next: anomaly data describe {shlex.quote(str(made.path))}")

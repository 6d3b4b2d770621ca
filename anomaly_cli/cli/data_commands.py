"""`anomaly data ...` and `anomaly simulate`: where events come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli import options
from anomaly_cli.cli.asked import Manner
from anomaly_cli.cli.failures import guarded, telling
from anomaly_cli.cli.groups import command_group

Name = Annotated[str, typer.Argument(metavar="NAME", help="Data set; 'anomaly data list' names them.")]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help="Where fetched files lie. [default: $ANOMALY_DATA, else a cache]"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    data = command_group(
        "data",
        help="Fetch, check and describe event files, and make features of raw ones.\n\nExample: anomaly data list",
        no_args_is_help=True,
    )
    data.command("list")(telling(list_sets))
    for shown in (show, verify, describe):
        data.command(shown.__name__)(telling(shown))
    for command in (fetch, path, manifest, features):
        data.command(command.__name__)(guarded(command))
    app.add_typer(data)
    app.command("simulate")(guarded(simulate))


def list_sets() -> None:
    """List the data sets that are known, and whether they are here.

    Example: anomaly data list
    """
    from anomaly_cli.cli.data_output import print_list

    print_list()


def show(name: Name) -> None:
    """Show what is known of a data set: source, files, checksums, columns, licence, citation.

    Example: anomaly data show lhco_rnd_features
    """
    from anomaly_cli.cli.data_output import print_manifest

    print_manifest(name)


def fetch(
    name: Name,
    folder: Folder = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", metavar="URL|DIR", help="Take the files from here instead. [default: $ANOMALY_DATA_MIRROR]"
        ),
    ] = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch a data set; goes on where it was interrupted, checks what arrives, leaves whole files alone.

    Example: anomaly data fetch lhco_rnd_features --folder data
    """
    from anomaly_cli.cli.data_output import fetch_and_print

    fetch_and_print(name, folder, mirror, Manner(quiet, verbose))


def verify(name: Name, folder: Folder = None) -> None:
    """Check the files of a data set against size and checksum.

    Example: anomaly data verify lhco_rnd_features
    """
    from anomaly_cli.cli.data_output import print_verification

    print_verification(name, folder)


def path(name: Name, folder: Folder = None) -> None:
    """Print the paths of the files of a data set, for scripts.

    Example: anomaly data path lhco_rnd_features
    """
    from anomaly_cli.cli.data_output import print_paths

    print_paths(name, folder)


def describe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Event file, a manifest of your own, or a data set.")],
    key: options.Key = None,
) -> None:
    """Say what a file is: layout, columns, ranges, NaN, events by region, and which command comes next.

    Example: anomaly data describe events_anomalydetection_v2.features.h5
    """
    from anomaly_cli.cli.data_output import print_description

    print_description(file, key or "")


def manifest(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Event file of your own, in any layout.")],
    out: Annotated[
        Path | None,
        typer.Option(*options.OUTPUT, metavar="FILE", help="Manifest to write. [default: beside it, as .toml]"),
    ] = None,
    key: options.Key = None,
) -> None:
    """Write the skeleton of a manifest for a file of your own: its columns, units guessed, what to check.

    Example: anomaly data manifest events.csv
    """
    from anomaly_cli.cli.data_output import write_manifest_and_print

    write_manifest_and_print(file, out, key or "")


def features(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Raw file: 700 x (pT, eta, phi), perhaps a label.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Feature file to write.")],
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="FILE", help="Master key with the truth of a black box.")
    ] = None,
    extended: Annotated[
        bool, typer.Option("--extended", help="Also tau1 to tau9 with beta = 0.5, 1, 2: 56 numbers an event.")
    ] = False,
    constituents: Annotated[
        bool, typer.Option("--constituents", help="Also keep the 150 leading constituents of both jets.")
    ] = False,
    key: options.Key = None,
    processes: options.Processes = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Cluster raw events into two jets and write their features (needs the extra 'jets').

    Example: anomaly data features events_anomalydetection_v2.h5 features.h5
    """
    from anomaly_cli.cli.data_output import make_features_and_print
    from anomaly_cli.datasets.rawfeatures import RawOptions

    make_features_and_print(
        raw, out, RawOptions(extended, constituents, labels, key or ""), processes, Manner(quiet, verbose)
    )


def simulate(
    process: Annotated[str, typer.Argument(metavar="qcd|signal", help="What to simulate.")],
    events: Annotated[int, typer.Option("--events", metavar="N", help="Events that pass the trigger.")],
    out: Annotated[
        Path | None,
        typer.Option(*options.OUTPUT, metavar="FILE", help="File to write. [default: PROCESS-SEED.h5]"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed; the same gives the same events.")] = 1,
    mass: Annotated[
        str, typer.Option("--mass", metavar="M", help="Mass of the W', TeV unless a unit is written.")
    ] = "3.5TeV",
    mx: Annotated[str, typer.Option("--mx", metavar="M", help="Mass of X.")] = "500GeV",
    my: Annotated[str, typer.Option("--my", metavar="M", help="Mass of Y.")] = "100GeV",
    energy: Annotated[
        str, typer.Option("--energy", metavar="E", help="Collision energy, TeV unless a unit is written.")
    ] = "13TeV",
    pythia: Annotated[
        list[str] | None,
        typer.Option(
            "--pythia", metavar="LINE", help="Further setting for Pythia, as 'StringZ:aLund = 0.9'; repeatable."
        ),
    ] = None,
    processes: options.Processes = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Simulate QCD dijets or W' -> XY like the LHC Olympics (needs the extra 'simulate').

    Goes on where it was interrupted; the same seed gives the same file, whatever the number of processes.

    Example: anomaly simulate signal --events 2000 --mass 4TeV --mx 300GeV --my 300GeV --out signal.h5
    """
    from anomaly_cli.cli.data_output import simulate_and_print

    wanted = (mass, mx, my, energy)
    simulate_and_print(process, events, out, seed, wanted, pythia or [], processes, Manner(quiet, verbose))

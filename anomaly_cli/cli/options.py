"""The options that several commands share, each declared once; imports nothing heavy, so that `--help` is fast.

A new option for a setting is one entry of a group: its words, and the dotted key of the setting.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from anomaly_cli.cli.asked import Option, under
from anomaly_cli.cli.completion import devices, plugins
from anomaly_cli.core.errors import ConfigError


def absolute(path: str) -> str:
    """Return a path that is right from any directory; the shipped data are no path, and neither is nothing."""
    return path if path in ("", "shipped") else str(Path(path).expanduser().absolute())


def names(text: str) -> list[str]:
    """Return names that were written with commas between them."""
    return [name.strip() for name in text.split(",")]


def numbers(text: str) -> list[float]:
    """Return numbers that were written with commas between them.

    Raises:
        ConfigError: where they are none.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"'{text}' is not a list of numbers; write it as 0.2,0.05,0.01") from None


def _number_or_word(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _all_absolute(paths: list[str]) -> list[str]:
    return [str(Path(path).expanduser().absolute()) for path in paths]


RANKING_AND_COUNTING = "Ranking and counting"
RUN = Option("named", Path, "--run", "Run directory that holds the artifacts.", metavar="DIR", is_required=True)
ANY_RUN = replace(RUN, is_required=False)
"""For a command that can do without."""
CONFIG = Option(
    "file", Path, "--config", "TOML file with settings; wins over the run's own config.toml.", metavar="FILE"
)
SETTINGS = Option(
    "overrides",
    list[str],
    "--set",
    "Any setting, e.g. --set classifiers.trees.ensemble=20; may be repeated.",
    metavar="KEY=VALUE",
)
SEED = Option("seed", int, "--seed", "Seed of every random stream. [default: 1]", "seed")
PROCESSES = Option(
    "processes", int, "--processes", "Processes; never changes a result. [default: every core]", "processes"
)
DEVICE = Option(
    "device",
    str,
    "--device",
    "Where networks are trained: auto, cpu or cuda. [default: cpu]",
    "device",
    metavar="NAME",
    complete=devices,
)
OUTPUT = ("--output", "--out", "-o")
"""How every command is told where to write."""
OVERWRITE = Option("overwrite", bool, "--overwrite", "Replace artifacts of other settings or inputs.", default=False)
QUIET = Option("quiet", bool, "--quiet -q", "One plain line per finished step, and nothing in between.", default=False)
VERBOSE = Option(
    "verbose", bool, "--verbose -v", "Plain lines, and what the log holds: settings, inputs, times.", default=False
)
COMMON = (CONFIG, SETTINGS, SEED, OVERWRITE, QUIET, VERBOSE)
"""Of every command that makes an artifact."""
TRAINING = (CONFIG, SETTINGS, SEED, DEVICE, OVERWRITE, QUIET, VERBOSE)
"""Of those that train networks, or use them."""
MANY = (CONFIG, SETTINGS, SEED, PROCESSES, DEVICE, OVERWRITE, QUIET, VERBOSE)
"""Of those that have work for several processes as well."""

WINDOWS = under(
    "Mass windows",
    Option(
        "signal_region",
        str,
        "--signal-region",
        "Mass window, as 3.3-3.7 (TeV) or 3300-3700GeV.",
        "regions.signal_region",
        metavar="WINDOW",
    ),
    Option(
        "side_bands",
        str,
        "--side-bands",
        "As 3.0-3.3,3.7-4.6. [default: 0.3 TeV below, 0.9 TeV above]",
        "regions.side_bands",
        metavar="WINDOW,WINDOW",
    ),
)
KEY = Option(
    "key",
    str,
    "--key",
    "Table to read where an HDF5 file holds several; for other files, name it in a manifest.",
    "data.key",
    metavar="NAME",
)
DATA = under(
    "Events",
    Option(
        "data",
        str,
        "--data",
        "Event file, or a manifest of your own. [default: shipped]",
        "data.file",
        metavar="FILE",
        read=absolute,
    ),
    Option(
        "inject",
        str,
        "--inject",
        "Signal events in the pseudo-data, or 'all'. [default: 420 of the shipped set, else sqrt(background events)]",
        "data.inject",
        metavar="N",
        read=_number_or_word,
    ),
    Option(
        "reserve",
        float,
        "--reserve",
        "Background held back as reference. [default: shipped 0.4, else 0]",
        "data.reserve",
        metavar="FRACTION",
    ),
    Option(
        "reference",
        str,
        "--reference",
        "Second labelled file, used as reference only.",
        "data.reference",
        metavar="FILE",
        read=absolute,
    ),
    Option(
        "inject_from",
        list[str],
        "--inject-from",
        "Inject N (or 'all') signal events of this file; may be repeated.",
        "data.inject_from",
        metavar="FILE[=N]",
        read=_all_absolute,
    ),
    Option(
        "labels",
        str,
        "--labels",
        "Master key: truth of a data file without labels.",
        "data.labels",
        metavar="FILE",
        read=absolute,
    ),
    KEY,
    Option(
        "drop_nan", bool, "--drop-nan", "Leave out and count events with NaN or unphysical values.", "data.drop_nan"
    ),
    Option("strict", bool, "--strict", "Refuse duplicate events instead of warning.", "data.strict"),
    Option(
        "features",
        str,
        "--features",
        "As mj1,delta_mj, or standard, extended, noise. [default: the standard five, or all of an own file]",
        "data.features",
        metavar="NAME,...",
        read=names,
    ),
    Option(
        "score_file",
        str,
        "--score-file",
        "Rank by scores of your own, a table of each event's row and score (--score external).",
        "data.score_file",
        metavar="FILE",
        read=absolute,
    ),
)
TEMPLATE = under(
    "Template",
    Option(
        "method",
        str,
        "--method",
        "Template method; 'anomaly methods' lists them. [default: curtains_f4f]",
        "template.method",
        complete=plugins("methods"),
    ),
    Option("preset", str, "--preset", "Named settings of the method, as 'published'.", metavar="NAME"),
    Option(
        "simulation",
        str,
        "--simulation",
        "Simulated background, for the methods that need it.",
        "template.simulation",
        metavar="FILE",
        read=absolute,
    ),
    Option(
        "base",
        str,
        "--base",
        "Shared base flow, for the methods that need it.",
        "template.base",
        metavar="FILE",
        read=absolute,
    ),
    Option(
        "oversampling",
        float,
        "--oversampling",
        "Template events per observed signal-region event. [default: 4]",
        "template.oversampling",
    ),
)
SCORE_COLUMN = Option(
    "score_column",
    str,
    "--score-column",
    "Rank by this column of the data, a feature that your own model has filled (--score external).",
    "scores.external.column",
    metavar="NAME",
    listed=RANKING_AND_COUNTING,
)
RANKING = under(
    RANKING_AND_COUNTING,
    Option(
        "classifier",
        str,
        "--classifier",
        "Family of classifiers; 'anomaly classifiers' lists them. [default: trees]",
        "classifier.name",
        complete=plugins("classifiers"),
    ),
    Option(
        "score",
        str,
        "--score",
        "What ranks events; 'anomaly scores' lists them. [default: that of the method]",
        "score.name",
        complete=plugins("scores"),
    ),
    SCORE_COLUMN,
)
EFFICIENCIES = Option(
    "background_efficiencies",
    str,
    "--background-efficiencies",
    "Cuts on the score. [default: 0.2,0.05,0.01,0.001]",
    "significance.background_efficiencies",
    metavar="X,...",
    read=numbers,
    listed=RANKING_AND_COUNTING,
)
MEASUREMENTS = Option(
    "measurements",
    str,
    "--measurements",
    "Run directory of the same settings that holds validation.h5 and overdispersion.h5. [default: the run's own]",
    "significance.measurements",
    metavar="DIR",
    read=absolute,
)

Key = Annotated[str | None, KEY.declared]
Quiet = Annotated[bool, QUIET.declared]
Verbose = Annotated[bool, VERBOSE.declared]
Processes = Annotated[int | None, PROCESSES.declared]
Unblind = Annotated[
    bool,
    typer.Option("--unblind", help="Look at the signal region of observed data; recorded in unblinding.json."),
]
"""The same for commands that have no configuration, and what is no setting."""

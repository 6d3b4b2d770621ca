"""Options that several commands share; imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Option("--run", metavar="DIR", help="Run directory that holds the artifacts.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings; wins over the run's own config.toml."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. --set classifier.ensemble=20; may be repeated."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of every random stream. [default: 1]")]
Processes = Annotated[
    int | None, typer.Option("--processes", help="Processes; never changes a result. [default: every core]")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace artifacts of other settings or inputs.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="One plain line per finished step instead of a progress bar.")
]
SignalRegion = Annotated[
    str | None,
    typer.Option("--signal-region", metavar="WINDOW", help="Mass window, as 3.3-3.7 (TeV) or 3300-3700GeV."),
]
SideBands = Annotated[
    str | None,
    typer.Option(
        "--side-bands", metavar="WINDOW,WINDOW", help="As 3.0-3.3,3.7-4.6. [default: 0.3 TeV below, 0.9 TeV above]"
    ),
]
Data = Annotated[
    str | None, typer.Option("--data", metavar="FILE", help="Event file, or a manifest of your own. [default: shipped]")
]
Inject = Annotated[
    str | None,
    typer.Option(
        "--inject",
        metavar="N",
        help="Signal events in the pseudo-data, or 'all'. [default: 420 of the shipped set, else"
        " sqrt(background events)]",
    ),
]
Reserve = Annotated[
    float | None,
    typer.Option(
        "--reserve", metavar="FRACTION", help="Background held back as reference. [default: shipped 0.4, else 0]"
    ),
]
Reference = Annotated[
    str | None, typer.Option("--reference", metavar="FILE", help="Second labelled file, used as reference only.")
]
InjectFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--inject-from", metavar="FILE[=N]", help="Inject N (or 'all') signal events of this file; may be repeated."
    ),
]
Labels = Annotated[
    str | None, typer.Option("--labels", metavar="FILE", help="Master key: truth of a data file without labels.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Which table of an HDF5 file of several; other files: by a manifest."),
]
DropNan = Annotated[
    bool | None, typer.Option("--drop-nan", help="Leave out and count events with NaN or unphysical values.")
]
Strict = Annotated[bool | None, typer.Option("--strict", help="Refuse duplicate events instead of warning.")]
Features = Annotated[
    str | None,
    typer.Option(
        "--features",
        metavar="NAME,...",
        help="As mj1,delta_mj,tau21_j1, or extended. [default: all five]",
    ),
]
Method = Annotated[
    str | None, typer.Option("--method", help="Template method; 'anomaly methods' lists them. [default: curtains_f4f]")
]
Classifier = Annotated[
    str | None,
    typer.Option("--classifier", help="Family of classifiers; 'anomaly classifiers' lists them. [default: trees]"),
]
Score = Annotated[
    str | None,
    typer.Option("--score", help="What ranks events; 'anomaly scores' lists them. [default: that of the method]"),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="Where networks are trained: auto, cpu or cuda. [default: cpu]"),
]
Simulation = Annotated[
    str | None,
    typer.Option("--simulation", metavar="FILE", help="Simulated background, for the methods that need it."),
]
Base = Annotated[
    str | None, typer.Option("--base", metavar="FILE", help="Shared base flow, for the methods that need it.")
]
Oversampling = Annotated[
    float | None, typer.Option("--oversampling", help="Template events per observed signal-region event. [default: 4]")
]
Efficiencies = Annotated[
    str | None,
    typer.Option(
        "--background-efficiencies", metavar="X,...", help="Cuts on the score. [default: 0.2,0.05,0.01,0.001]"
    ),
]
Unblind = Annotated[
    bool,
    typer.Option("--unblind", help="Look at the signal region of observed data; recorded in unblinding.json."),
]
Measurements = Annotated[
    str | None,
    typer.Option(
        "--measurements",
        metavar="DIR",
        help="Run directory of the same settings that holds validation.h5 and permutation.h5. [default: the run's own]",
    ),
]

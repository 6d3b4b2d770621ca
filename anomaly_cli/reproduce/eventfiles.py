"""The events that a target is run on: the real file, or a stand-in, and how they differ from the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import Window
from anomaly_cli.datasets.manifests import SHIPPED, load_manifest, shipped_file
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.reproduce.targets import NO_EVENTS, PAPER, SIMULATED, Target
from anomaly_cli.stages.loading import reading_digest

REAL = "lhco_rnd_features"
"""Manifest of the file that the papers used."""
RESERVE = 0.4
"""Share of the background that is held back to measure on, where there is no file for that."""
DIGITS = 12
"""Hexadecimal digits by which a file is told from others."""
LEAST_OF_PAPER = 0.9
"""The paper's scale wants at least this share of the paper's background events."""
REGION = Window(3300.0, 3700.0)
"""The signal region of the papers [GeV], where S/sqrt(B) is compared."""
BACKGROUND_SHARE, SIGNAL_SHARE = 0.121352, 0.772
"""Shares of the background and of the signal of the R&D data set that are in it (arXiv:2109.00546, section 2)."""


WITHOUT_REFERENCE = ("morph_files",)
"""Kinds of targets that compare their two files and hold nothing back."""


class LackingError(ConfigError):
    """Something that a series needs was not given: it is left out, and the rest is run."""


@dataclass(frozen=True)
class EventFiles:
    """Files of a run, with what determines their content.

    Attributes:
        data: labelled events, or empty where a target needs none.
        reference: a second labelled file to measure on, or empty.
        simulation: simulated background, or empty.
        digests: of the files, by role.
        n_background: background events in the data.
        n_signal: signal events in the data.
        n_background_inside: background events in the signal region of the papers.
        n_signal_inside: signal events there.
        n_simulated: events of the simulation.
        is_real: whether the data are the file that the papers used.
    """

    data: str = ""
    reference: str = ""
    simulation: str = ""
    digests: tuple[tuple[str, str], ...] = ()
    n_background: int = 0
    n_signal: int = 0
    n_background_inside: int = 0
    n_signal_inside: int = 0
    n_simulated: int = 0
    is_real: bool = False

    @property
    def reserve(self) -> float:
        """Share of the background that is held back."""
        return 0.0 if self.reference else RESERVE

    @property
    def given(self) -> list[str]:
        """Roles of the files that were named."""
        return [role for role in ("data", "reference", "simulation") if getattr(self, role) not in ("", SHIPPED)]

    def shared(self, target: Target) -> float:
        """Return the share of events that any two seeds measure on in common, at least.

        Of background that is held back at random two seeds share as much as is held back; a reference, or files that
        are compared, are the same for all; of unused signal nearly all is, so this is the least.
        """
        if not self.data:
            return 0.0
        return 1.0 if target.kind in WITHOUT_REFERENCE else self.reserve or 1.0

    def injection(self, published: int, n_background: int) -> int:
        """Return the signal events that give the published S/sqrt(B) in the signal region.

        Args:
            published: events that are injected into the R&D data set, wherever they lie.
            n_background: background events of the paper, likewise.

        Raises:
            ConfigError: where there is no signal or no background in the signal region.
        """
        if not (n_background and published):
            return published
        for kind, number in (("background", self.n_background_inside), ("signal", self.n_signal_inside)):
            if not number:
                raise ConfigError(
                    f"--data {self.data}: holds no {kind} in 3.3-3.7 TeV, where this target compares S/sqrt(B); give a"
                    " file that does"
                )
        background = (1.0 - self.reserve) * self.n_background_inside / (BACKGROUND_SHARE * n_background)
        signal = self.n_signal_inside / self.n_signal / SIGNAL_SHARE
        return round(published * math.sqrt(background) / signal)

    def words(self, target: Target, jobs: Sequence[Mapping[str, Any]]) -> str:
        """Return what jobs with these settings use, as sentences."""
        if not self.data:
            return "No events are needed: they are drawn from known distributions."
        used = [job["config"].get("data", {}) for job in jobs]
        is_split, is_injected = (any(data.get(name) for data in used) for name in ("reserve", "inject"))
        name = "The shipped stand-in for the LHC Olympics data" if self.data == SHIPPED else Path(self.data).name
        if self.is_real:
            name += ", the file that the paper used"
        counted = f"{self.n_background:,} background and {self.n_signal:,} signal events"
        kept = f", {self.reserve:.0%} of the background held back to measure on" if is_split else ""
        text = f"{name}: {counted}{kept}."
        if not self.is_real:
            text += f" It is not what the paper used ({target.n_background:,} background events)."
        factor = self.injection(1_000_000, target.n_background) / 1e6 if is_injected else 1.0
        if f"{factor:.2f}" != "1.00":
            text += f" Injections are the published ones times {factor:.2f}, for equal S/sqrt(B) in 3.3-3.7 TeV."
        for role in (role for role in self.given if role != "data"):
            size = f", {self.n_simulated:,} events" if role == "simulation" else ""
            name, digest = Path(getattr(self, role)).name, dict(self.digests)[role][:DIGITS]
            text += f" {role.capitalize()}: {name}{size}, SHA-256 {digest}..."
        return text


def open_files(target: Target, scale: str, data: str, reference: str, simulation: str) -> EventFiles:
    """Return the files of a run, looked at and checked.

    Args:
        target: what is run.
        scale: how much of it.
        data: event file; empty for the shipped one.
        reference: a second labelled file to measure on, or empty.
        simulation: simulated background, or empty.

    Raises:
        ConfigError: where a file is given that is not used, or the real one is needed.
        DataError: where a file cannot be read.
    """
    if target.data == NO_EVENTS:
        if data or reference or simulation:
            raise ConfigError(f"target {target.name} needs no data; leave out --data, --reference and --simulation")
        return EventFiles()
    if simulation and target.data != SIMULATED:
        raise ConfigError(f"target {target.name} uses no simulation; leave out --simulation")
    if reference and target.kind in WITHOUT_REFERENCE:
        raise ConfigError(f"target {target.name} holds no background back to measure on; leave out --reference")
    if scale == PAPER and not data:
        raise ConfigError(
            f"target {target.name} at scale {PAPER} needs the file that the paper used; get it with 'anomaly data fetch"
            f" {REAL}' and name it with --data, or use --scale standard for the stand-in"
        )
    path = Path(data) if data else shipped_file()
    found = {"data": str(path), "reference": reference, "simulation": simulation}
    digests = {role: reading_digest(Path(file), f"--{role}") for role, file in found.items() if file}
    table = read_events(path, None)
    if not table.is_labelled:
        raise ConfigError(f"--data {path}: has no labels, without which nothing can be compared; give a labelled file")
    n_signal = int(table.is_signal.sum())
    n_background = len(table) - n_signal
    if simulation and digests["simulation"] == digests["data"]:
        raise ConfigError(f"--simulation {simulation}: is the data itself; give background of another generator")
    if reference:
        _refuse_reference(reference, digests)
    is_inside = REGION.contains(table.compute(table.feature_names[:1]).mjj)
    if scale == PAPER and n_background < LEAST_OF_PAPER * target.n_background:
        raise ConfigError(
            f"--data {path}: holds {n_background} background events where the paper has {target.n_background}; the"
            f" scale {PAPER} wants its file ('anomaly data fetch {REAL}'), --scale standard takes any"
        )
    n_simulated = len(read_events(Path(simulation), None)) if simulation else 0
    is_real = digests["data"] == load_manifest(REAL).files[0].sha256
    return EventFiles(
        data=str(path.absolute()) if data else SHIPPED,
        reference=str(Path(reference).absolute()) if reference else "",
        simulation=str(Path(simulation).absolute()) if simulation else "",
        digests=tuple(sorted(digests.items())),
        n_background=n_background,
        n_signal=n_signal,
        n_background_inside=int((is_inside & ~table.is_signal).sum()),
        n_signal_inside=int((is_inside & table.is_signal).sum()),
        n_simulated=n_simulated,
        is_real=is_real,
    )


def _refuse_reference(reference: str, digests: Mapping[str, str]) -> None:
    """Refuse a reference that no job could use."""
    if digests["reference"] == digests["data"]:
        raise ConfigError(
            f"--reference {reference}: is the data itself; give other events, or leave it out and 40 % are held back"
        )
    if not read_events(Path(reference), None).is_labelled:
        raise ConfigError(f"--reference {reference}: has no labels, without which nothing can be measured on it")

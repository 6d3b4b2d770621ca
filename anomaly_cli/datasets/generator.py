"""Generated events: QCD dijets and W' -> XY by Pythia 8 (extra `simulate`).

References:
    C. Bierlich et al., "A comprehensive guide to the physics and usage of PYTHIA 8.3", 2022, arXiv:2203.11601.
    G. Kasieczka et al., "The LHC Olympics 2020", 2021, arXiv:2101.08320 (the processes and the selection).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.windows import COLLISION_ENERGY, LARGEST_ENERGY
from anomaly_cli.datasets.detector import Particles

QCD, SIGNAL = "qcd", "signal"
COMMON = (
    "Print:quiet = on",
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = {energy:g}",
    "Tune:pp = 14",
    "PDF:pSet = 13",
    "PartonLevel:MPI = off",
)
"""Monash tune, NNPDF2.3 LO, no multiparton interactions, no pile-up."""
LEAST_ENERGY = 4000.0
"""At less there are next to no jets above the trigger of 1.2 TeV [GeV]."""
LOWEST_PT_HAT = 700.0
"""Lowest pT of the hard process of QCD [GeV]; initial-state radiation lifts jets by several hundred GeV."""
VETO_SCALE = 50.0
"""Scale at which the shower of a QCD event is looked at [GeV]."""
VETO_RADIUS, VETO_PT = 1.2, 1060.0
"""QCD events whose hardest jet of partons is softer [GeV] are dropped.

The radius is larger than that of the jets: two hard partons a little more than 1.0 apart can still end in one jet,
a heavy one with two prongs, and dropping them would bias masses and tau21.
"""


@dataclass(frozen=True)
class Process:
    """What is simulated.

    Attributes:
        name: `qcd` or `signal`.
        mass: mass of the W' [GeV].
        mx: mass of X, and `my` that of Y [GeV].
        my: mass of Y [GeV].
        extra: further lines for Pythia, which win.
        energy: centre-of-mass energy of the protons [GeV].
    """

    name: str
    mass: float = 3500.0
    mx: float = 500.0
    my: float = 100.0
    extra: tuple[str, ...] = field(default=())
    energy: float = COLLISION_ENERGY

    def __post_init__(self) -> None:
        if self.name not in (QCD, SIGNAL):
            raise ConfigError(f"simulate: unknown process '{self.name}'; known are {QCD} and {SIGNAL}")
        if self.name == SIGNAL and not (min(self.mx, self.my) >= 10.0 and 1.15 * (self.mx + self.my) < self.mass):
            raise ConfigError(
                f"simulate: W' of {self.mass:g} GeV cannot decay to X of {self.mx:g} and Y of {self.my:g} GeV with"
                " their widths; choose masses of 10 GeV or more whose sum stays below 85 % of --mass"
            )
        if not LEAST_ENERGY <= self.energy <= LARGEST_ENERGY:
            raise ConfigError(f"simulate: --energy must be between {LEAST_ENERGY:g} and {LARGEST_ENERGY:g} GeV")
        if not 0.0 < self.mass < self.energy:
            energy = f"{self.energy / 1000.0:g} TeV"
            raise ConfigError(f"simulate: --mass {self.mass:g} GeV must lie below the collision energy of {energy}")

    @property
    def settings(self) -> tuple[str, ...]:
        """The lines given to Pythia, the seed aside."""
        own = self._qcd() if self.name == QCD else self._signal()
        return (*(line.format(energy=self.energy) for line in COMMON), *own, *self.extra)

    @staticmethod
    def _qcd() -> tuple[str, ...]:
        return "HardQCD:all = on", f"PhaseSpace:pTHatMin = {LOWEST_PT_HAT:g}"

    def _signal(self) -> tuple[str, ...]:
        """W' (0.3 % width) to X (charged) and Y (neutral), 1 % widths, each isotropic to two quarks."""
        x, y = (f"{m:g} {0.01 * m:g} {0.9 * m:g} {1.1 * m:g} 0." for m in (self.mx, self.my))
        return (
            "NewGaugeBoson:ffbar2Wprime = on",
            f"34:m0 = {self.mass:g}",
            f"34:mWidth = {0.003 * self.mass:g}",
            "34:doForceWidth = on",
            f"34:mMin = {0.5 * self.mass:g}",
            f"9000001:all = X+ X- 1 3 0 {x}",
            f"9000002:all = Y0 void 1 0 0 {y}",
            *(f"{code}:{line}" for code in (9000001, 9000002) for line in ("isResonance = on", "doForceWidth = on")),
            "9000001:oneChannel = 1 0.5 100 2 -1",
            "9000001:addChannel = 1 0.5 100 4 -3",
            "9000002:oneChannel = 1 0.25 100 1 -1",
            *(f"9000002:addChannel = 1 0.25 100 {quark} -{quark}" for quark in (2, 3, 4)),
            "34:oneChannel = 1 1.0 100 9000001 9000002",
        )


def require_pythia() -> None:
    """Refuse to go on without the extra `simulate`.

    Raises:
        ConfigError: where Pythia is not installed.
    """
    try:
        import pythia8mc  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "simulating needs the extra 'simulate' (pythia8mc is not installed); install it with"
            " pip install --only-binary pythia8mc 'anomaly-cli[simulate]'"
        ) from error


def generate(process: Process, seed: int, n_kept: int, batch: int = 250) -> Iterator[tuple[Particles, int]]:
    """Yield batches of final particles, with the number of events in each, `n_kept` events in all.

    QCD events are stopped early where they cannot pass the trigger (see `VETO_PT`): the shower below 50 GeV
    is most of the work.

    Args:
        process: what to generate.
        seed: Pythia's seed, from 1 to 900 million.
        n_kept: events to generate, not counting those stopped early.
        batch: events at a time.

    Raises:
        ConfigError: where Pythia refuses a setting.
    """
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    for line in (*process.settings, "Random:setSeed = on", f"Random:seed = {seed}"):
        if not pythia.readString(line):
            raise ConfigError(f"simulate: Pythia does not understand '{line}'; see its manual for the setting")
    hook = _early_stop() if process.name == QCD else None
    if hook is not None:
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise ConfigError("simulate: Pythia cannot start with these settings; check the masses and the extra lines")
    while n_kept > 0:
        size = min(batch, n_kept)
        yield _final_particles(pythia.nextBatch(size)), size
        n_kept -= size


def _early_stop() -> Any:
    """Return a user hook that drops events whose hardest anti-kT jet of partons is below `VETO_PT`.

    Looked at once, when the evolution reaches 50 GeV: at its end the same cut would stop few of the events left, and
    cost more than it saves.
    """
    import pythia8mc

    class EarlyStop(pythia8mc.UserHooks):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.jets = pythia8mc.SlowJet(-1, VETO_RADIUS, VETO_PT, 25.0, 1, 1)

        def canVetoPT(self) -> bool:  # noqa: N802 - Pythia's names
            return True

        def scaleVetoPT(self) -> float:  # noqa: N802
            return VETO_SCALE

        def doVetoPT(self, _: int, event: Any) -> bool:  # noqa: N802
            self.jets.analyze(event)
            return bool(self.jets.sizeJet() == 0)

    return EarlyStop()


def _final_particles(batch: Any) -> Particles:
    import awkward as ak

    final = batch.prt[batch.prt.status > 0]
    event = np.repeat(np.arange(len(final)), ak.num(final))
    px, py, pz, energy = (np.asarray(ak.flatten(final.p[name])) for name in ("px", "py", "pz", "e"))
    pt = np.maximum(np.hypot(px, py), 1e-12)
    return Particles(
        event,
        np.abs(np.asarray(ak.flatten(final.id))).astype(np.int64),
        energy,
        np.arcsinh(pz / pt),
        np.arctan2(py, px),
    )

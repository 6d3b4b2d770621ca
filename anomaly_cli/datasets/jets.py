"""Constituents to jets: anti-kT clusters and their N-subjettiness, by FastJet (extra `jets`).

References:
    M. Cacciari, G. P. Salam, G. Soyez, "The anti-kt jet clustering algorithm", 2008, arXiv:0802.1189;
    "FastJet user manual", 2011, arXiv:1111.6097.
    J. Thaler, K. Van Tilburg, "Maximizing boosted top identification by minimizing N-subjettiness", 2011,
    arXiv:1108.2701 (one-pass minimisation from kT axes).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.datasets.features import BETAS, EXTENDED_COLUMNS, MOST_AXES, OFFICIAL_COLUMNS, tau_name

RADIUS = 1.0
LOWEST_JET_PT = 20.0
"""Jets below are not looked at [GeV]."""
TRIGGER_PT, TRIGGER_ETA = 1200.0, 2.5
"""What the leading jet passes in LHCO-like events: pT [GeV], |eta|."""


@dataclass(frozen=True)
class Constituents:
    """Massless constituents of many events.

    Attributes:
        count: constituents of each event `(n,)`.
        pt: of all of them, event after event `(k,)` [GeV].
        eta: pseudorapidity `(k,)`.
        phi: azimuth `(k,)`.
    """

    count: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray


@dataclass(frozen=True)
class Dijets:
    """The two jets of largest pT of many events.

    Attributes:
        rows: the columns of `jet_columns` `(n, c)`; NaN in events with fewer than two jets.
        has_two: events that have two jets `(n,)`.
        constituents: pT, eta, phi of the leading constituents of both jets, zero-padded `(n, 2, m, 3)`;
            m = 0 where none were asked for.
    """

    rows: FloatArray
    has_two: npt.NDArray[np.bool_]
    constituents: npt.NDArray[np.float32]


def jet_columns(is_extended: bool) -> tuple[str, ...]:
    """Return the names of the columns: the official 14, or 14 + 48."""
    return (*OFFICIAL_COLUMNS, *EXTENDED_COLUMNS) if is_extended else OFFICIAL_COLUMNS


def require_fastjet() -> None:
    """Refuse to go on without the extra `jets`.

    Raises:
        ConfigError: where FastJet or awkward is not installed.
    """
    try:
        import awkward  # noqa: F401
        import fastjet  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"clustering jets needs the extra 'jets' ({error.name} is not installed); install it with"
            " pip install 'anomaly-cli[jets]'"
        ) from error


def find_dijets(
    events: Constituents, is_extended: bool = False, n_constituents: int = 0, *, only_triggered: bool = False
) -> Dijets:
    """Cluster every event (anti-kT, R = 1.0) and measure its two jets of largest pT.

    tau_N = sum_i pT_i min_k (dR_ik)^beta, not normalised, one-pass kT axes.

    Args:
        events: the constituents.
        is_extended: whether to add tau1 to tau9 with beta = 0.5, 1, 2.
        n_constituents: constituents to keep of each jet, the leading ones in pT.
        only_triggered: whether events whose leading jet fails the trigger are taken for events without two
            jets; their N-subjettiness, which costs most, is not measured.
    """
    import awkward as ak
    import fastjet

    with quiet_stdout():  # FastJet greets with a banner on the C++ side
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, RADIUS)
        clusters = fastjet.ClusterSequence(_four_vectors(events), definition)
        jets = clusters.inclusive_jets(min_pt=LOWEST_JET_PT)
        members = clusters.constituents(min_pt=LOWEST_JET_PT)
        order = ak.argsort(jets.px**2 + jets.py**2, axis=1, ascending=False, stable=True)[:, :2]
        jets, members = jets[order], members[order]
        has_two = np.asarray(ak.num(jets) == 2)
        if only_triggered:
            momenta = [np.asarray(ak.fill_none(ak.firsts(jets[key]), 0.0)) for key in ("px", "py", "pz")]
            has_two &= passes_trigger(np.column_stack(momenta))
        jets, members = jets[has_two], members[has_two]
        columns = {key: np.asarray(ak.flatten(jets[key])).reshape(-1, 2) for key in ("px", "py", "pz", "E")}
        taus = _measure_taus(ak.flatten(members, axis=1), definition, is_extended)
    momentum2 = columns["px"] ** 2 + columns["py"] ** 2 + columns["pz"] ** 2
    columns["m"] = np.sqrt(np.maximum(columns.pop("E") ** 2 - momentum2, 0.0))
    columns |= taus
    rows = np.full((len(events.count), len(jet_columns(is_extended))), np.nan)
    for index, name in enumerate(jet_columns(is_extended)):
        rows[has_two, index] = columns[name[:-2]][:, int(name[-1]) - 1]
    kept = np.zeros((len(events.count), 2, n_constituents, 3), dtype=np.float32)
    if n_constituents:
        kept[has_two] = _leading(members, n_constituents)
    return Dijets(rows, has_two, kept)


def passes_trigger(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return whether the leading jet has pT > 1.2 TeV and |eta| < 2.5, `(n,)`; NaN does not pass.

    Args:
        rows: px, py, pz of the leading jet in the first three columns `(n, 3 or more)` [GeV].
    """
    pt = np.hypot(rows[:, 0], rows[:, 1])
    passes: npt.NDArray[np.bool_] = (pt > TRIGGER_PT) & (np.abs(rows[:, 2]) < pt * np.sinh(TRIGGER_ETA))
    return passes


def _measure_taus(jets: Any, definition: Any, is_extended: bool) -> dict[str, FloatArray]:
    """Return tau_N by name, `(n, 2)` each; `jets` are the constituents of jet after jet."""
    import fastjet

    wanted = {1.0: list(range(1, MOST_AXES + 1 if is_extended else 4))}
    if is_extended:
        wanted |= {beta: list(range(1, MOST_AXES + 1)) for beta in BETAS}
    sequence = fastjet.ClusterSequence(jets, definition) if len(jets) else None
    taus: dict[str, FloatArray] = {}
    for beta, numbers in wanted.items():
        found = np.zeros((0, len(numbers)))
        if sequence is not None:
            found = np.asarray(
                sequence.njettiness("UnnormalizedMeasure", "OnePass_KT_Axes", njets=numbers, beta=beta, R0=RADIUS)
            )
        taus |= {tau_name(n, beta): found[:, i].reshape(-1, 2) for i, n in enumerate(numbers)}
    return taus


def _four_vectors(events: Constituents) -> Any:
    import awkward as ak

    pt, eta, phi = (np.asarray(x, dtype=np.float64) for x in (events.pt, events.eta, events.phi))
    fields = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "E": pt * np.cosh(eta)}
    return ak.unflatten(ak.zip(fields, with_name="Momentum4D"), events.count)


def _leading(members: Any, n: int) -> npt.NDArray[np.float32]:
    import awkward as ak

    pt = np.hypot(members.px, members.py)
    order = ak.argsort(pt, axis=2, ascending=False, stable=True)[:, :, :n]
    parts = (pt, np.arcsinh(members.pz / pt), np.arctan2(members.py, members.px))
    padded = [ak.to_numpy(ak.fill_none(ak.pad_none(part[order], n, axis=2, clip=True), 0.0)) for part in parts]
    return np.stack(padded, axis=-1).astype(np.float32)


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send what compiled libraries write to standard output to nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

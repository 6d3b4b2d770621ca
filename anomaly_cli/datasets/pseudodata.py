"""From a labelled file to pseudo-data whose order and ids tell nothing, with the truth kept apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.folds import IntArray
from anomaly_cli.core.streams import Streams

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Division:
    """Which rows of a file are observed, and which are held back.

    Attributes:
        observed: rows of the pseudo-data `(n,)`, shuffled; the event id is the position.
        reference: rows held back `(r,)`, shuffled: reserved background and unused signal.
        n_injected: signal events among the observed.
    """

    observed: IntArray
    reference: IntArray
    n_injected: int


def default_injection(n_background: int) -> int:
    """Return the number of signal events that gives S/sqrt(B) near 2.2 for an LHCO-like sample.

    The square root of the background events: the R&D set's usual 1000 signal events on 1 M background,
    scaled.
    """
    return round(float(np.sqrt(n_background)))


def divide_labelled(is_signal: BoolArray, inject: int | str, reserve: float, streams: Streams) -> Division:
    """Divide a labelled file into pseudo-data and reference.

    A share `reserve` of the background is held back. Of the signal, `inject` events go into the
    pseudo-data. Both are then shuffled together, so that neither order nor position tells truth.

    Args:
        is_signal: truth label of every usable row `(n,)`.
        inject: a number of signal events, `all`, or `default` (see `default_injection`).
        reserve: fraction of the background held back, in [0, 1).
        streams: random streams of the stage; `division`, `injection` and `shuffle` are used.

    Raises:
        ConfigError: where more signal is asked for than there is, or a number makes no sense.
    """
    background, signal = np.flatnonzero(~is_signal), np.flatnonzero(is_signal)
    if not 0.0 <= reserve < 1.0:
        raise ConfigError(f"--reserve {reserve:g}: must be a fraction in [0, 1), for instance 0.4")
    n_reserved = round(reserve * len(background))
    order = streams.generator("division").permutation(len(background))
    kept, held_back = background[order[n_reserved:]], background[order[:n_reserved]]
    n_injected = _number_to_inject(inject, len(signal), len(kept))
    drawn = streams.generator("injection").permutation(len(signal))
    shuffle = streams.generator("shuffle")
    return Division(
        observed=shuffle.permutation(np.concatenate([kept, signal[drawn[:n_injected]]])),
        reference=shuffle.permutation(np.concatenate([held_back, signal[drawn[n_injected:]]])),
        n_injected=n_injected,
    )


def _number_to_inject(inject: int | str, n_signal: int, n_background: int) -> int:
    if inject == "all":
        return n_signal
    if inject == "default":
        return min(default_injection(n_background), n_signal)
    if not isinstance(inject, int) or inject < 0:
        raise ConfigError(f"--inject {inject}: must be a number of events, 0 or more, or 'all'")
    if inject > n_signal:
        raise ConfigError(f"--inject {inject}: the file has only {n_signal} signal events; ask for fewer, or for 'all'")
    return inject

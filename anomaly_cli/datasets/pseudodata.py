"""From a labelled file to pseudo-data whose order and ids tell nothing, with the truth kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_cli.core.arrays import FloatArray, IntArray
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.core.streams import Streams

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Division:
    """Which rows of a file are observed, and which are held back.

    Attributes:
        observed: rows of the pseudo-data `(n,)`, shuffled; the event id is the position.
        reference: rows held back `(r,)`, shuffled: reserved background and unused signal.
    """

    observed: IntArray
    reference: IntArray


def default_injection(n_background: int) -> int:
    """Return the number of signal events that gives S/sqrt(B) near 2.2 for an LHCO-like sample.

    The square root of the background events: the R&D set's usual 1000 signal events on 1 M background,
    scaled.
    """
    return round(float(np.sqrt(n_background)))


def divide_labelled(
    is_signal: BoolArray,
    inject: Sequence[int | str],
    reserve: float,
    streams: Streams,
    source: IntArray | None = None,
) -> Division:
    """Divide labelled events into pseudo-data and reference.

    A share `reserve` of the background is held back. Of each source's signal, so many events as asked for go
    into the pseudo-data. All are then shuffled together, so that neither order nor position tells truth.

    Args:
        is_signal: truth label of every usable event `(n,)`.
        inject: for each source a number of signal events, `all`, or `default` (see `default_injection`).
        reserve: fraction of the background held back, in [0, 1).
        streams: random streams of the stage; `division`, `injection`, `injection/1` ... and `shuffle` are used.
        source: source of every event `(n,)`, an index into `inject`; without it all come from the first.

    Raises:
        ConfigError: where more signal is asked for than there is, or a number makes no sense.
    """
    source = np.zeros(len(is_signal), dtype=np.int64) if source is None else source
    background = np.flatnonzero(~is_signal)
    if not 0.0 <= reserve < 1.0:
        raise ConfigError(f"--reserve {reserve:g}: must be a fraction in [0, 1), for instance 0.4")
    n_reserved = round(reserve * len(background))
    order = streams.generator("division").permutation(len(background))
    kept, held_back = background[order[n_reserved:]], background[order[:n_reserved]]
    injected, unused = [], []
    for index, number in enumerate(inject):
        signal = np.flatnonzero(is_signal & (source == index))
        n_injected = _number_to_inject(number, len(signal), len(kept), index)
        drawn = signal[streams.generator(f"injection/{index}" if index else "injection").permutation(len(signal))]
        injected.append(drawn[:n_injected])
        unused.append(drawn[n_injected:])
    shuffle = streams.generator("shuffle")
    return Division(
        observed=shuffle.permutation(np.concatenate([kept, *injected])),
        reference=shuffle.permutation(np.concatenate([held_back, *unused])),
    )


def relative_weights(weight: FloatArray) -> FloatArray:
    """Return weights `(n,)` divided by their mean."""
    return weight / weight.mean() if len(weight) else weight


def unweight(weight: FloatArray, streams: Streams) -> BoolArray:
    """Return which weighted events make a sample of unit weight, `(n,)`.

    Each event is kept with probability w / max(w). What is left can be counted: its numbers are Poisson, which
    sums of weights are not. Where all weights are equal, every event is kept.
    """
    kept: BoolArray = streams.generator("unweight").random(len(weight)) < weight / weight.max()
    return kept


def _number_to_inject(inject: int | str, n_signal: int, n_background: int, source: int) -> int:
    option, where = ("--inject-from ...=", f"injected file {source}") if source else ("--inject ", "the file")
    if inject == "all":
        return n_signal
    if inject == "default":
        return min(default_injection(n_background), n_signal)
    if not isinstance(inject, int) or inject < 0:
        raise ConfigError(f"{option}{inject}: must be a whole number of events, 0 or more, or 'all'")
    if inject > n_signal:
        raise ConfigError(f"{option}{inject}: {where} has only {n_signal} signal events; ask for fewer, or for 'all'")
    return inject

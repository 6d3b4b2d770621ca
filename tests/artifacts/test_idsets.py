"""Sets of event ids."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly_cli.artifacts.idsets import pack_ids, unpack_ids


@pytest.mark.parametrize("ids", [[], [0], [7], [10**12 + 3, 10**12], [-5, 3, -1], list(range(1009, 0, -2))])
def test_a_set_of_ids_comes_back_sorted_whatever_its_order_and_length(ids):
    packed = pack_ids(np.array(ids, dtype=np.int64))
    found = unpack_ids({name: np.asarray(value) for name, value in packed.items()})
    assert found.dtype == np.int64
    assert found.tolist() == sorted(ids)


def test_a_dense_set_takes_a_bit_per_event():
    assert pack_ids(np.arange(80_000))["bits"].nbytes == 10_000

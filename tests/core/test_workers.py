from __future__ import annotations

import time

from anomaly_cli.core.cputime import used_cpu
from anomaly_cli.core.workers import in_order

BUSY = 0.3
TICKS = 0.05
"""The system counts in hundredths of a second, in every process [s]."""


def burn(number):
    start = time.process_time()
    while time.process_time() - start < BUSY:
        pass
    return number


def test_what_workers_use_is_counted_and_not_twice():
    before = used_cpu()
    assert list(in_order(burn, [(1,), (2,), (3,)], 2)) == [1, 2, 3]
    used = used_cpu() - before
    assert used > 3 * BUSY - TICKS
    assert list(in_order(burn, [(4,), (5,)], 2)) == [4, 5]
    assert 2 * BUSY - TICKS < used_cpu() - before - used < 3 * BUSY - TICKS  # the workers have started already

"""Speed of the closed form: a scan of 100 signal regions x 5 cuts, and a p-value from 100,000 toys.

OMP_NUM_THREADS=1 python benchmarks/significance_speed.py
"""

from __future__ import annotations

import time

import numpy as np

from anomaly_cli.analysis.limits import asymptotic_limits
from anomaly_cli.analysis.profile import Experiments, signed_root
from anomaly_cli.analysis.toys import toy_p_value


def main() -> None:
    """Time both and print."""
    rng = np.random.default_rng(1)
    n_tests = 500
    b = 10 ** rng.uniform(-0.5, 4.5, n_tests)
    data = Experiments(
        rng.poisson(b).astype(float), 4 * b, np.full(n_tests, 4.0), np.zeros(n_tests), rng.uniform(0.0, 0.1, n_tests)
    )
    start = time.perf_counter()
    signed_root(data)
    middle = time.perf_counter()
    asymptotic_limits(data)
    end = time.perf_counter()
    print(f"{n_tests} tests: q0 {middle - start:.4f} s, observed and five expected limits {end - middle:.2f} s")
    for n, m, tau, width in ((30, 48.0, 4.0, 0.1), (450, 480.0, 480 / 121, 0.05), (24800, 96000.0, 3.956, 0.007)):
        one = Experiments(*(np.asarray(float(x)) for x in (n, m, tau, 0.0, width)))
        start = time.perf_counter()
        result = toy_p_value(one, 100_000, rng)
        seconds = time.perf_counter() - start
        print(f"100,000 toys, z = {result.z:.2f}: {seconds:.2f} s, p0 = {result.p0:.3g} +- {result.error:.1g}")


if __name__ == "__main__":
    main()

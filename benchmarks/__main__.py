"""`python -m benchmarks`: what an analysis costs, and how good it is (`performance.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the scripts beside it import each other by their names

from performance import main

main()

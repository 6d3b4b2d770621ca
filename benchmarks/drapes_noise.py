"""Drapes: noise level of the partly noised templates, and steps of the samplers: the scans behind the defaults.

Nothing here looks at the signal region. In signal-free windows of the shipped background (the search with the
signal region moved there) one denoiser is trained, and sampled with every setting:

- closure: AUC of fixed trees, template against the events of the window;
- sensitivity: signal events, their mass moved into the window, are injected at S/sqrt(B) = 2.2; SIC at 1 % of
  the window's events in folds.

For side-band events closure decides. For signal-region events closure is best without any noise, where the
template is a copy of the data, signal included; there sensitivity decides, and both are shown. Steps are judged
by the closure of events from noise, and by the time that sampling takes.

    python benchmarks/drapes_noise.py --seeds 11 12 13
    python benchmarks/drapes_noise.py --report
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import anomaly_cli as an
from anomaly_cli.analysis.quality import Sampled, measure_separation
from anomaly_cli.analysis.sic import measure_improvement
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.config import SignificanceSettings
from anomaly_cli.core.arrays import FloatArray
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events, concatenate
from anomaly_cli.core.seen import Seen
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.core.truth import Truth
from anomaly_cli.methods.base import Request
from anomaly_cli.methods.drapes import Drapes, DrapesSettings, DrapesSideBands, DrapesSignalRegion, FittedDrapes
from anomaly_cli.nets.diffusion import SAMPLERS
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import rank
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.windows import find_windows

LEVELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
STEPS = (6, 12, 25, 50)
STRENGTH = 2.2
"""S/sqrt(B) of the injected signal in the window."""
EFFICIENCY = 0.01
SETTINGS = SearchSettings(classifier=Trees(ensemble=5))
Row = dict[str, Any]


def inject(events: Events, window: tuple[float, float], truth: Truth, seed: int) -> Events:
    """Return the events with signal after them, spread evenly over the window."""
    signal = truth.reference.take(truth.reference_is_signal)
    signal = signal.take(np.abs(signal.mjj / 3500.0 - 1.0) < 0.06)
    n = round(STRENGTH * len(events) ** 0.5)
    chosen = signal.take(np.random.default_rng(seed).permutation(len(signal))[:n])
    masses = window[0] + (np.arange(n) + 0.5) / n * (window[1] - window[0])
    return concatenate([events, dataclasses.replace(chosen, mjj=masses)])


@dataclass(frozen=True)
class Scan:
    """One signal-free window, and the denoiser of its side-bands.

    Attributes:
        search: the window and its side-bands.
        injected: the window's events with signal after them.
        masses: masses of the template [GeV].
        fitted: the denoiser; what it starts from is not used.
        compute: the random streams of the seed, and worker processes of the classifier.
    """

    search: Split
    injected: Events
    masses: FloatArray
    fitted: FittedDrapes
    compute: Compute

    @staticmethod
    def make(search: Split, truth: Truth, compute: Compute) -> Scan:
        """Train the denoiser."""
        n = len(search.sb1) + len(search.sb2)
        seen = Seen(search.sb1, search.sb2, search.regions, np.arange(n) % 10 == 0)
        fitted = Drapes().fit(seen, compute.child("drapes"))
        window = search.regions.sr
        injected = inject(search.sr, (window.low, window.high), truth, compute.streams.seed)
        n_template = round(SETTINGS.oversampling * len(search.sr))
        masses = search.fit_masses().sample(n_template, compute.streams.generator("masses"))
        return Scan(search, injected, masses, fitted, compute)

    def sample(self, settings: DrapesSettings, starting: Events | None) -> Events:
        """Return a template made with other settings of the sampling."""
        own = self.fitted
        return (
            FittedDrapes(settings, own.scaler, own.denoiser, own.side_bands, starting)
            .sample(Request(self.masses), self.compute)
            .events
        )

    def closure(self, template: Events) -> float:
        """Return the AUC of a template against the events of the window."""
        sets = [Sampled(events.features, events.source_id, events.weight) for events in (template, self.search.sr)]
        return measure_separation(sets[0], sets[1], self.compute.streams.seed, 1).auc

    def sensitivity(self, template: Events) -> float:
        """Return SIC of the window's events with signal against a template."""
        search = dataclasses.replace(self.search, sr=self.injected)
        found = rank(search, Template((TemplatePart(template),)), SETTINGS, Provisions(), self.compute).observed
        is_signal = np.arange(len(self.injected)) >= len(self.search.sr)
        parts = [found.take(mask) for mask in (~is_signal, is_signal)]
        return measure_improvement(parts[0], parts[1], EFFICIENCY).sic

    def scan_levels(self, levels: list[float]) -> Iterator[Row]:
        """Yield closure and sensitivity at each noise level, of both partly noised templates."""
        for level in levels:
            template = self.sample(DrapesSideBands(sigma_max=level), self.fitted.side_bands)
            yield {
                "method": DrapesSideBands.name,
                "sigma": level,
                "auc": self.closure(template),
                "sic": self.sensitivity(template),
            }
            method = DrapesSignalRegion(sigma_max=level)
            yield {
                "method": method.name,
                "sigma": level,
                "auc": self.closure(self.sample(method, self.search.sr)),
                "sic": self.sensitivity(self.sample(method, self.injected)),
            }

    def scan_steps(self, numbers: list[int]) -> Iterator[Row]:
        """Yield closure and sampling time for each sampler and number of steps, from noise."""
        for sampler in SAMPLERS:
            for steps in numbers:
                start = time.process_time()
                template = self.sample(Drapes(sampler=sampler, steps=steps), None)
                seconds = time.process_time() - start
                yield {
                    "method": f"{Drapes.name}, {sampler}",
                    "steps": steps,
                    "auc": self.closure(template),
                    "seconds": seconds,
                }


def measure_seed(seed: int, arguments: argparse.Namespace) -> Iterator[Row]:
    """Yield the figures of one seed, window by window."""
    data, significance = an.load(inject=0, seed=seed), SignificanceSettings()
    windows = find_windows(an.split(data, "3.3-3.7").split, significance.window_width, 0.0)[0]
    for search in windows[: min(arguments.windows, significance.windows)]:
        scan = Scan.make(search, data.truth, Compute(Streams(seed), processes=arguments.processes))
        common = {"seed": seed, "window": search.regions.sr.text}
        for rows in (scan.scan_steps(arguments.steps), scan.scan_levels(arguments.levels)):
            yield from (common | row for row in rows)


def mean(rows: list[Row], key: str, digits: int) -> str:
    """Return a mean with its error, of all rows."""
    values = np.array([row[key] for row in rows])
    error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{values.mean():.{digits}f} +- {error:.{digits}f}"


def report(rows: list[Row]) -> str:
    """Return both tables."""
    lines = []
    for key, other, digits in (("sigma", "sic", 2), ("steps", "seconds", 1)):
        own = [row for row in rows if key in row]
        lines += [f"| method | {key} | closure AUC | {other} | runs |", "|---|---|---|---|---|"]
        for method in dict.fromkeys(row["method"] for row in own):
            for level in sorted({row[key] for row in own}):
                found = [row for row in own if row["method"] == method and row[key] == level]
                figures = [mean(found, "auc", 4), mean(found, other, digits)]
                lines.append(f"| {method} | {level:g} | {' | '.join(figures)} | {len(found)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure the seeds that are missing, and print the means over windows and seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--levels", type=float, nargs="+", default=list(LEVELS))
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/drapes_noise.json"))
    parser.add_argument("--report", action="store_true", help="print the tables of what was measured")
    arguments = parser.parse_args()
    rows = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    known = {row["seed"] for row in rows}
    for seed in [] if arguments.report else [seed for seed in arguments.seeds if seed not in known]:
        for row in measure_seed(seed, arguments):
            print(row, flush=True)
            rows.append(row)
        arguments.output.write_text(json.dumps(rows, indent=1))
    print(report(rows))


if __name__ == "__main__":
    main()

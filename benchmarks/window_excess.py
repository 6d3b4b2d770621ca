"""Why the validation windows see more events than expected: the template, or the counting?

Pseudo-data without signal, in the signal-free windows of `anomaly significance windows`. Observed over expected
after each cut, with its statistical error:

- `analysis`: as the analysis counts, events of the window against the template;
- `held back`: background of the window that was in no training, counted with the same thresholds. What the
  analysis sees beyond this would come from the classifier's folds;
- `other window`: events and template of one window, cut with the classifiers of the others, which have not looked
  for what is wrong with this template;
- `true background`: the classifier is trained against the held-back background instead of the template, and
  thresholds come from it. What is off here would come from folds and thresholds.

Beside them, the AUC of the classifier between held-back background and template.

    python benchmarks/window_excess.py --seeds 101 102 --output benchmarks/results/window_excess.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import anomaly_cli as an
from anomaly_cli.analysis.selection import ScoredEvents, passes, select
from anomaly_cli.classifiers.trees import Trees
from anomaly_cli.config import SignificanceSettings
from anomaly_cli.core.compute import Compute
from anomaly_cli.core.events import Events
from anomaly_cli.core.streams import Streams
from anomaly_cli.core.template import Template, TemplatePart
from anomaly_cli.search.provisions import Provisions
from anomaly_cli.search.rank import fit_score, scored
from anomaly_cli.search.settings import SearchSettings
from anomaly_cli.search.split import Split
from anomaly_cli.search.template import make_template
from anomaly_cli.search.windows import find_windows

EFFICIENCIES = (0.2, 0.05, 0.01)
COUNTED = ("analysis", "held back", "other window", "true background")


def score(
    window: Split, against: Events, settings: SearchSettings, compute: Compute, also: Sequence[Events] = ()
) -> list[ScoredEvents]:
    """Train the events of a window against others, and return both and further ones with their scores."""
    fitted = fit_score(window, Template((TemplatePart(against),)), settings, Provisions(), compute)
    return [scored(fitted, events) for events in (window.sr, against, *also)]


def count(observed: ScoredEvents, template: ScoredEvents, efficiency: float) -> dict[str, float]:
    """Return observed and expected events after a cut, and the relative error of the expectation."""
    selection = select(observed, template, efficiency)
    return {
        "n": float(selection.is_observed_selected.sum()),
        "expected": len(observed.fold) * selection.efficiency,
        "error": selection.efficiency_uncertainty,
    }


def count_others(others: ScoredEvents, observed: ScoredEvents, template: ScoredEvents, efficiency: float) -> Any:
    """Return the same for other events, cut as `observed` are."""
    selection = select(observed, template, efficiency)
    return {
        "n": float(passes(selection, others).sum()),
        "expected": len(others.fold) * selection.efficiency,
        "error": selection.efficiency_uncertainty,
    }


def measure(seed: int, settings: SearchSettings, processes: int) -> list[dict[str, Any]]:
    """Return one row per window, cut and way of counting."""
    data, significance = an.load(inject=0, seed=seed), SignificanceSettings()
    searches = find_windows(an.split(data, "3.3-3.7").split, significance.window_width)[: significance.windows]
    whole = Compute(Streams(seed), processes=processes)
    computes = [whole.child(f"validation/{index}") for index in range(len(searches))]
    templates = [
        make_template(search, settings, Provisions(), compute).template.events
        for search, compute in zip(searches, computes, strict=True)
    ]
    rows: list[dict[str, Any]] = []
    for index, (search, compute) in enumerate(zip(searches, computes, strict=True)):
        held_back = data.truth.background(search.regions.sr)
        others = [i for i in range(len(searches)) if i != index]
        foreign = [events for i in others for events in (searches[i].sr, templates[i])]
        found = score(search, templates[index], settings, compute, [held_back, *foreign])
        ideal = score(search, held_back, settings, compute)
        labels = np.repeat([1, 0], [len(held_back), len(templates[index])])
        auc = np.mean(
            [
                roc_auc_score(labels[fold == k], np.concatenate([found[2].score, found[1].score])[fold == k])
                for fold in [np.concatenate([found[2].fold, found[1].fold])]
                for k in np.unique(fold)
            ]
        )
        for efficiency in EFFICIENCIES:
            counted = [
                ("analysis", index, count(found[0], found[1], efficiency)),
                ("held back", index, count_others(found[2], found[0], found[1], efficiency)),
                ("true background", index, count(ideal[0], ideal[1], efficiency)),
            ]
            for position, other in enumerate(others):
                parts = found[3 + 2 * position], found[4 + 2 * position]
                counted.append(("other window", other, count(parts[0], parts[1], efficiency)))
            rows += [
                {
                    "seed": seed,
                    "way": way,
                    "window": searches[counts_of].regions.sr.text,
                    "classifier": search.regions.sr.text,
                    "background_efficiency": efficiency,
                    "auc": float(auc),
                    **values,
                }
                for way, counts_of, values in counted
            ]
    return rows


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return observed over expected, all windows and seeds together, by way of counting and cut."""
    found = []
    for way in COUNTED:
        for efficiency in EFFICIENCIES:
            some = [r for r in rows if r["way"] == way and r["background_efficiency"] == efficiency]
            n, expected = (np.array([r[name] for r in some]) for name in ("n", "expected"))
            error = np.hypot(np.sqrt(n), expected * [r["error"] for r in some])
            found.append(
                {
                    "way": way,
                    "background_efficiency": efficiency,
                    "ratio": float(n.sum() / expected.sum()),
                    "error": float(np.sqrt((error**2).sum()) / expected.sum()),
                    "spread": float(np.std(n / expected, ddof=1)),
                    "n_above": int((n > expected).sum()),
                    "n_windows": len(some),
                }
            )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101])
    parser.add_argument("--ensemble", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    settings = SearchSettings(classifier=Trees(ensemble=arguments.ensemble))
    rows: list[dict[str, Any]] = []
    for seed in arguments.seeds:
        rows += measure(seed, settings, arguments.processes)
    found = summarise(rows)
    for row in found:
        print(
            f"{row['way']:16} {100 * row['background_efficiency']:4g} %  {row['ratio']:.3f} +- {row['error']:.3f}"
            f"  spread {row['spread']:.3f}  above 1 in {row['n_above']} of {row['n_windows']}"
        )
    aucs = {(r["seed"], r["classifier"]): r["auc"] for r in rows}
    print("AUC:", ", ".join(f"{window} {auc:.4f}" for (_, window), auc in aucs.items()))
    if arguments.output:
        arguments.output.write_text(json.dumps({"summary": found, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

"""Events with their scores and cuts as trees of a ROOT file, for people who go on with them there.

Branches are named as the columns of `anomaly score`; a point in a name becomes `p`, since ROOT takes it for a member.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from anomaly_cli.analysis.selection import ScoredEvents, passes, select
from anomaly_cli.artifacts import schema
from anomaly_cli.artifacts.contents import read_template
from anomaly_cli.artifacts.layout import RunDirectory
from anomaly_cli.core.events import Events
from anomaly_cli.core.windows import Regions
from anomaly_cli.datasets.frames import written_in_one_step
from anomaly_cli.datasets.rootfiles import require_uproot, write_trees
from anomaly_cli.stages.classify import places, stored_scores
from anomaly_cli.stages.scoring import FileScores
from anomaly_cli.stages.split import stored_split

FILE = "events.root"
SCORES, CUTS = "scores", "cuts"
"""Trees of what is scored: the events, and the cuts on them."""
Branches = dict[str, npt.NDArray[Any]]


def write_score_trees(found: FileScores, target: Path) -> None:
    """Write the scored events of a file in its order, and the cuts.

    Raises:
        ConfigError: where uproot is not installed.
        DataError: where the file cannot be written; an earlier one is untouched then.
    """
    require_uproot(target)
    events: Branches = {"row": found.row, "mjj_gev": found.mjj}
    events |= {f"is_{name}": found.region == name for name in ("sb1", "sr", "sb2")}
    events |= {"fold": found.fold, "score": found.score}
    events |= _passing(found.background_efficiencies, found.is_passing)
    with written_in_one_step(target) as scratch:
        write_trees(scratch, {SCORES: events, CUTS: {"background_efficiency": found.background_efficiencies}})


def write_event_trees(run: RunDirectory, target: Path) -> None:
    """Write the observed, template and side-band events of a counted run.

    Template events that are counted in no fold are left out, as in scores and counts.

    Raises:
        ConfigError: where uproot is not installed.
        DataError: where it cannot be written; an earlier one is untouched then.
    """
    require_uproot(target)
    split, template = stored_split(run.read(schema.SPLIT)), read_template(run.read(schema.TEMPLATE))
    scores = run.read(schema.SCORES)
    cuts = run.read(schema.SIGNIFICANCE).groups["tests"]["background_efficiency"]
    observed, made, side_bands = (stored_scores(scores, group) for group in ("observed", "template", "side_bands"))
    selections = [select(observed, made, cut) for cut in cuts]
    outside = _branches(split.side_bands, side_bands) | _regions(split.side_bands, side_bands, split.regions)
    trees = {
        "observed": _branches(split.sr, observed) | _passing(cuts, [one.is_observed_selected for one in selections]),
        "template": _branches(template.events, made) | _passing(cuts, [one.is_template_selected for one in selections]),
        "side_bands": outside | _passing(cuts, [passes(one, side_bands) for one in selections]),
        CUTS: {"background_efficiency": np.asarray(cuts)},
    }
    with written_in_one_step(target) as scratch:
        write_trees(scratch, trees)


def _branches(events: Events, scored: ScoredEvents) -> Branches:
    """Return identity, mass, features and scores of scored events, in the order of the scores."""
    at = places(events, scored)
    found: Branches = {"event_id": scored.event_id, "source_id": scored.source_id, "mjj_gev": events.mjj[at]}
    found |= {name: events.features[at, index] for index, name in enumerate(events.names)}
    return found | {"weight": scored.weight, "fold": scored.fold, "score": scored.score}


def _regions(events: Events, scored: ScoredEvents, regions: Regions) -> Branches:
    mjj = events.mjj[places(events, scored)]
    return {f"is_{name}": regions.named()[name].contains(mjj) for name in ("sb1", "sb2")}


def _passing(cuts: npt.ArrayLike, is_passing: Sequence[npt.NDArray[np.bool_]] | npt.NDArray[np.bool_]) -> Branches:
    names = [f"passes_{cut:g}".replace(".", "p") for cut in np.asarray(cuts).tolist()]
    return dict(zip(names, is_passing, strict=True))

"""Toys are measured on points that no training has seen, and means over pairs have the errors of means."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from toys import compute

from anomaly_cli.datasets.toys import make_toy
from anomaly_cli.morphing.settings import MorphSettings
from anomaly_cli.reproduce import kind_morph_toys
from anomaly_cli.reproduce.kind_morph_toys import move_table, run


def test_what_is_measured_on_is_not_trained_on(monkeypatch):
    source, target = (make_toy(name, 1_000, np.random.default_rng(1)) for name in ("moons", "ring"))
    given, moved = [], []

    def train(tables, splits, flows, compute):
        given.extend(zip(tables, splits, strict=True))
        return SimpleNamespace(move=lambda table, condition, compute: moved.append(table) or table.values + [3.0, 4.0])

    monkeypatch.setattr(kind_morph_toys, "train_morpher", train)
    found = move_table(source, target, MorphSettings(), compute())
    trained = {tuple(row) for table, split in given for rows in vars(split).values() for row in table.values[rows]}
    assert [len(rows) for rows in vars(given[0][1]).values()] == [700, 100]
    assert len(moved[0]) == 200
    assert not trained & {tuple(row) for row in moved[0].values}
    assert (found["distance"], found["distance.error"]) == (pytest.approx(5.0), pytest.approx(0.0, abs=1e-9))
    assert found["auc"] > 0.9


def test_errors_of_pairs_are_those_of_their_mean(monkeypatch):
    each = iter([{"distance": 1.0, "distance.error": 0.4}] * 2 + [{"distance": 4.0, "distance.error": 0.4}] * 2)
    monkeypatch.setattr(kind_morph_toys, "move", lambda *_: next(each))
    found = run({"pairs": [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")]}, compute())
    assert found == {"distance": 2.5, "distance.error": pytest.approx(0.2)}

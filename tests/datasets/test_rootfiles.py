"""Trees of ROOT files: branches with one number an event are columns; everything else is named."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from toys import shipped_rows

from anomaly_cli.core.errors import ConfigError, DataError
from anomaly_cli.datasets import simulate
from anomaly_cli.datasets.features import OFFICIAL_COLUMNS
from anomaly_cli.datasets.readers import read_events
from anomaly_cli.datasets.rootfiles import read_root, write_event_tree

uproot = pytest.importorskip("uproot")
NAMES = (*OFFICIAL_COLUMNS, "label")


def write_tree(path, columns):
    with uproot.recreate(path) as file:
        file.mktree("events", {name: column.dtype for name, column in columns.items()})
        file["events"].extend(columns)


@pytest.fixture(scope="module")
def columns():
    return dict(zip(NAMES, shipped_rows(2000).T.copy(), strict=True))


def test_a_tree_is_read_as_the_events_that_were_written(columns, tmp_path):
    write_tree(tmp_path / "a.root", columns)
    np.savez(tmp_path / "a.npz", **columns)
    tree, npz = (read_events(tmp_path / name) for name in ("a.root", "a.npz"))
    assert tree.layout == npz.layout
    assert np.array_equal(tree.is_signal, npz.is_signal)
    assert all(np.array_equal(tree.columns[name], npz.columns[name]) for name in npz.columns)


def test_several_trees_are_named_and_a_key_or_a_manifest_chooses(columns, tmp_path):
    few = {name: column[:3] for name, column in columns.items()}
    with uproot.recreate(tmp_path / "a.root") as file:
        for name, content in {"nominal": columns, "folder/other": few}.items():
            file.mktree(name, {key: value.dtype for key, value in content.items()})
            file[name].extend(content)
        file["note"] = "no tree"
    with pytest.raises(DataError, match=r"holds several tables, folder/other, nominal; choose one with --key"):
        read_events(tmp_path / "a.root")
    assert len(read_events(tmp_path / "a.root", key="folder/other")) == 3
    (tmp_path / "a.toml").write_text('file = "a.root"\nkey = "folder/other"\n')
    assert len(read_events(tmp_path / "a.toml")) == 3
    with pytest.raises(DataError, match=r"has no tree 'nomnal'; did you mean 'nominal'\?"):
        read_events(tmp_path / "a.root", key="nomnal")


def test_what_is_no_number_for_each_event_is_named_where_it_is_used(columns, tmp_path):
    import awkward as ak

    n = len(columns["label"])
    jagged = ak.unflatten(np.arange(n * 2.0), np.full(n, 2))
    with uproot.recreate(tmp_path / "a.root") as file:
        content = {"mass": np.linspace(2000.0, 6000.0, n), "x": np.linspace(0.1, 0.9, n), "pts": jagged}
        file.mktree("t", {"mass": "f8", "x": "f8", "pts": jagged.type})
        file["t"].extend(content)
    manifest = (
        'file = "a.root"\nmjj = { column = "mass", unit = "GeV" }\n[features]\nx = { column = "%s", unit = "1" }\n'
    )
    (tmp_path / "a.toml").write_text(manifest % "x")
    assert len(read_events(tmp_path / "a.toml")) == n
    (tmp_path / "a.toml").write_text(manifest % "pts")
    with pytest.raises(DataError, match=r"a.root: column 'pts' holds .*, no single number for each event"):
        read_events(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text(manifest % "y")
    with pytest.raises(DataError, match=r"has no column 'y', which .*a.toml names"):
        read_events(tmp_path / "a.toml")


def test_damaged_and_empty_files_end_in_a_sentence(columns, tmp_path):
    write_tree(tmp_path / "a.root", columns)
    content = (tmp_path / "a.root").read_bytes()
    for number in range(60):
        chance = np.random.default_rng(number)
        broken = bytearray(content[: chance.integers(10, len(content))] if number % 3 == 0 else content)
        broken[chance.integers(4, len(broken))] ^= 1 << int(chance.integers(8))
        (tmp_path / "b.root").write_bytes(broken)
        try:
            read_root(tmp_path / "b.root")
        except DataError:
            continue
    with uproot.recreate(tmp_path / "c.root") as file:
        file["note"] = "no tree"
    with pytest.raises(DataError, match="holds no tree"):
        read_root(tmp_path / "c.root")


def test_without_uproot_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uproot", None)
    (tmp_path / "a.root").write_bytes(b"root and more")
    with pytest.raises(ConfigError, match=r"pip install 'anomaly-cli\[root\]'"):
        read_root(tmp_path / "a.root")


def test_events_that_are_written_as_a_tree_are_read_again(columns, tmp_path):
    path = tmp_path / "a:b.root"
    write_event_tree(path, NAMES, np.stack(list(columns.values()), axis=1).astype(np.float32), "how")
    np.savez(tmp_path / "a.npz", **{name: column.astype(np.float32) for name, column in columns.items()})
    tree, npz = (read_events(tmp_path / name) for name in (path.name, "a.npz"))
    assert np.array_equal(tree.is_signal, npz.is_signal)
    assert all(np.array_equal(tree.columns[name], npz.columns[name]) for name in npz.columns)
    with uproot.open(path) as file:
        assert file["events"].title == "how"


def test_events_are_simulated_into_a_tree_or_refused_before_they_are(tmp_path, monkeypatch):
    rows = np.arange(3.0 * len(OFFICIAL_COLUMNS), dtype=np.float32).reshape(3, -1)
    monkeypatch.setattr(simulate, "_chunks", lambda *_: (pair for pair in [(rows, 0.0)]))
    monkeypatch.setattr(simulate, "require_pythia", lambda: None)
    wanted = simulate.Simulation(simulate.Process("signal", 3500.0, 500.0, 100.0), 3, 1)
    simulate.simulate(wanted, tmp_path / "a.root", 1, lambda _: None)
    with uproot.open(tmp_path / "a.root") as file:
        found = file["events"].arrays(library="np")
    assert np.array_equal(np.stack([found[name] for name in OFFICIAL_COLUMNS], axis=1), rows)
    assert (found["label"] == 1.0).all()
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(ConfigError, match=r"need the extra 'root'"):
        simulate.simulate(wanted, tmp_path / "b.root", 1, lambda _: None)
    assert not (tmp_path / "b.root").exists()

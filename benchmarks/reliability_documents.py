"""Manifests, configurations, scan files and command lines with something else in them than is meant."""

from __future__ import annotations

import copy
import random
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from anomaly_cli.config import Config

Commands = tuple[tuple[str, ...], ...]
JUNK: tuple[Any, ...] = (
    *("", "x", "\x1b[31m", "a[/b]", "../../x", "/dev/zero", "-1", "1e400", "nan", "3.3-3.7"),
    *("\u03c0" * 3, "x" * 3000, "; touch x #"),
    *(0, -1, 1, 2**63, -(2**70), 10**9, 1.5, -0.5, 1e308, float("nan"), float("inf"), True, False),
    *([], [[]], [1, "a"], {}, {"a": 1}, {"x": {"y": {}}}),
)
MANIFEST = """
file = "events.npz"
label = "lab"
mjj = { column = "mass", unit = "GeV" }

[features]
x = { column = "x", unit = "1" }
y = { column = "y", unit = "GeV" }
"""
SCAN = """
[grid]
windows = ["3.3-3.7", "3.4-3.8"]
methods = ["curtains_f4f_efficient"]
inject = [0, 150]
seeds = 2

[jobs]
processes = 1

[analysis.data]
file = "shipped"

[variants.a.classifier]
folds = 3
"""
LINES = (
    "run --signal-region 3.3-3.7 --dry-run --run r",
    "run --signal-region 3.3-3.7 --dry-run --run r --set classifiers.trees.ensemble=3",
    "split --signal-region 3.3-3.7 --run r --data none.h5 --inject 3",
    "config --set template.oversampling=2",
    "summary --run r",
    "inspect r",
    "data describe none.h5 --key a",
    "data show shipped",
    "data verify lhco_rnd_features --folder r",
    "data features none.h5 out.h5 --labels k",
    "closure --run r",
    "evaluate --run r",
    "significance --run r --background-efficiencies 0.1,0.2",
    "significance limits --run r",
    "significance bump --run r --processes 1",
    "significance permute --run r",
    "scan plan none.toml --output s --windows 3.3-3.7",
    "scan job s --index 0",
    "scan status s",
    "scan export s --to reana --image x",
    "morph run --source none.h5 --target none.h5 --output m",
    "simulate signal --events 1 --mass 4TeV --mx 300GeV --out s.h5 --pythia x",
    "base --run r --without 3.3-3.7 --base b.h5",
)


def make_manifest(folder: Path, chance: random.Random) -> Commands:
    """Return commands that read a manifest of a small file."""
    n = 50
    generator = np.random.default_rng(chance.randrange(2**32))
    mass, x, y = generator.uniform(2500.0, 6000.0, n), generator.uniform(size=n), generator.normal(size=n)
    np.savez(folder / "events.npz", mass=mass, x=x, y=y, lab=np.zeros(n), text=np.array(["a"] * n))
    return (("data", "describe", _write(folder / "own.toml", MANIFEST, chance)),)


def make_config(folder: Path, chance: random.Random) -> Commands:
    """Return commands that read a configuration, and plan the analysis that it asks for."""
    path = _write(folder / "analysis.toml", Config().to_toml(), chance)
    plan = ("run", "--config", path, "--signal-region", "3.3-3.7", "--run", "r", "--dry-run")
    return ("config", "--config", path), plan


def make_scan(folder: Path, chance: random.Random) -> Commands:
    """Return commands that plan a scan and ask for its state."""
    path = _write(folder / "scan.toml", SCAN, chance)
    return ("scan", "plan", path, "--output", "s"), ("scan", "status", "s")


def make_line(_: Path, chance: random.Random) -> Commands:
    """Return a command line of which some words are replaced, doubled, left out or joined."""
    words = chance.choice(LINES).split()
    for _trial in range(chance.choice((1, 1, 2, 4))):
        place = chance.randrange(len(words))
        junk = str(chance.choice(JUNK))
        how = chance.choice(("replace", "insert", "drop", "double", "append"))
        if how == "replace" and words[place] != "--dry-run":
            words[place] = junk
        if how == "insert":
            words.insert(place, junk)
        if how == "drop" and len(words) > 1 and words[place] != "--dry-run":
            del words[place]
        if how == "double":
            words.insert(place, words[place])
        if how == "append":
            words[place] += junk if words[place] != "--dry-run" else ""
    if words[0] in ("run", "simulate", "morph") and "--dry-run" not in words:
        words.append("--no-such-option")  # never trains or simulates anything
    return (tuple(words),)


def _write(path: Path, text: str, chance: random.Random) -> str:
    """Write a document with something else in it, and return its path."""
    if chance.random() < 0.25:
        path.write_bytes(_damaged(text, chance))
        return str(path)
    tree = tomllib.loads(text)
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change(tree, chance)
    path.write_text(tomli_w.dumps({key: value for key, value in tree.items() if value is not None}), encoding="utf-8")
    return str(path)


def _change(tree: dict[str, Any], chance: random.Random) -> None:
    """Replace, drop or add one value somewhere in a tree."""
    node = tree
    while tables := [value for value in node.values() if isinstance(value, dict) and value]:
        if chance.random() < 0.35:
            break
        node = chance.choice(tables)
    how, key = chance.choice(("replace", "replace", "drop", "add", "table")), chance.choice(list(node) or ["x"])
    if how == "drop":
        node.pop(key, None)
    elif how == "add":
        node[chance.choice(("extra", "\x1b[31m", "a[/b]", "seed", "x" * 200))] = copy.deepcopy(chance.choice(JUNK))
    elif how == "table":
        node[key] = {"file": "x", "column": 3, "unit": "GeV"}
    else:
        node[key] = copy.deepcopy(chance.choice(JUNK))


def _damaged(text: str, chance: random.Random) -> bytes:
    content = bytearray(text.encode())
    how = chance.choice(("cut", "flipped", "binary", "deep", "mark", "doubled", "empty"))
    if how == "cut":
        return bytes(content[: chance.randrange(len(content))])
    if how == "flipped":
        for _ in range(chance.choice((1, 5))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if how == "binary":
        return chance.randbytes(300)
    if how == "deep":
        return b"x = " + b"[" * 5000 + b"]" * 5000
    if how == "mark":
        return b"\xef\xbb\xbf" + bytes(content)
    if how == "doubled":
        return bytes(content * 2)
    return b"" if how == "empty" else bytes(content)

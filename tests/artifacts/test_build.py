"""The exact build is told; no digest knows it."""

from __future__ import annotations

import json
import subprocess

import pytest

import anomaly_cli
from anomaly_cli.artifacts import build
from anomaly_cli.artifacts.build import Build
from anomaly_cli.artifacts.provenance import Provenance


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A package in a folder that nothing is known of."""
    package = tmp_path / "site" / "anomaly_cli"
    package.mkdir(parents=True)
    (package / "a.py").write_text("1\n")
    monkeypatch.setattr(build, "PACKAGE", package)
    monkeypatch.setattr(build, "_of_metadata", lambda: None)
    build.this_build.cache_clear()
    yield package
    build.this_build.cache_clear()


def git(root, *words):
    known = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", "-C", root, *known, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_checkout_tells_its_commit_and_whether_the_package_was_changed(elsewhere):
    git(elsewhere.parent, "init", "-q")
    git(elsewhere.parent, "add", ".")
    git(elsewhere.parent, "commit", "-q", "-m", "one")
    commit = git(elsewhere.parent, "rev-parse", "HEAD")
    assert build.this_build() == Build(anomaly_cli.__version__, commit, False)
    (elsewhere.parent / "notes").write_text("no part of the package")
    build.this_build.cache_clear()
    assert not build.this_build().is_changed
    (elsewhere / "a.py").write_text("2\n")
    build.this_build.cache_clear()
    assert str(build.this_build()) == f"{anomaly_cli.__version__} (commit {commit[:12]}, with changes)"


def test_a_wheel_tells_what_it_was_built_from(elsewhere):
    assert str(build.this_build()) == f"{anomaly_cli.__version__} (commit not known)"
    (elsewhere / build.RECORD).write_text(json.dumps({"commit": "a" * 40, "is_changed": True}))
    build.this_build.cache_clear()
    assert build.this_build() == Build(anomaly_cli.__version__, "a" * 40, True)


def test_a_commit_alone_changes_no_digest(elsewhere):
    before = Provenance("split", 1, {}, 1, {}).to_json()
    (elsewhere / build.RECORD).write_text(json.dumps({"commit": "b" * 40, "is_changed": False}))
    build.this_build.cache_clear()
    assert "b" * 40 in build.this_build().commit
    assert Provenance("split", 1, {}, 1, {}).to_json() == before
    assert json.loads(before)["versions"]["anomaly-cli"] == anomaly_cli.__version__

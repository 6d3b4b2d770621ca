"""The layers of docs/architecture.md, the homes of heavy libraries, and measures of size."""

from __future__ import annotations

import ast
import functools
import importlib
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import anomaly_cli
from anomaly_cli.artifacts.unblinding import LOOKING
from anomaly_cli.stages.frame import Stage

PACKAGE = Path(anomaly_cli.__file__).parent
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in PACKAGE.rglob("*.py")}
PLUGINS = ("methods", "classifiers", "scores")
SEARCHING = ("search", *PLUGINS, "analysis", "core")
ALLOWED = {
    "core": {"core"},
    "nets": {"nets", "core"},
    "methods": {"methods", "nets", "core"},
    "classifiers": {"classifiers", "nets", "core"},
    # scores that need a density of the side-bands take the one that template methods use
    "scores": {"scores", "methods", "classifiers", "nets", "core"},
    "analysis": {"analysis", "core"},
    # one search on values: it knows no file and no configuration
    "search": {"search", "methods", "classifiers", "scores", "analysis", "core"},
    "artifacts": {"artifacts", "core"},
    "datasets": {"datasets", "core"},
    "morphing": {"morphing", "methods", "nets", "core"},
    "config": {"core"},
    "stages": {"stages", *SEARCHING, "nets", "artifacts", "datasets", "config", "morphing"},
    # studies stand on a finished run
    "studies": {"studies", "stages", *SEARCHING, "artifacts", "config"},
    # a scan chains stages at many points and combines their results, as a stage does with methods
    "scans": {"scans", "studies", "stages", "search", "methods", "analysis", "artifacts", "datasets", "config", "core"},
    # pictures evaluate what was fitted, with the functions that fitted it
    "report": {"report", "artifacts", "analysis", "core"},
    # a target is run over searches on values, toys or flows, and compared with published values
    "reproduce": {"reproduce", "stages", *SEARCHING, "artifacts", "datasets", "config", "morphing"},
    # the Python API stands where the command line does: it reads files and shows results
    "api": {"api", "stages", *SEARCHING, "nets", "artifacts", "datasets", "config", "report"},
    "testing": {"search", "methods", "classifiers", "scores", "core"},
    # data commands make no artifact and need no run directory, so they have no stage: cli calls datasets itself
    "cli": {
        "cli",
        "reproduce",
        "scans",
        "studies",
        "stages",
        "report",
        "config",
        *PLUGINS,
        "morphing",
        "artifacts",
        "datasets",
        "core",
    },
}
HOMES = {
    "typer": ("cli",),
    "h5py": ("artifacts/store", "datasets/hdf5", "datasets/rawfeatures", "datasets/frames"),
    "pooch": ("datasets/fetching",),
    "uproot": ("datasets/rootfiles",),
    "requests": ("datasets/fetching",),
    "fastjet": ("datasets/jets",),
    "awkward": ("datasets/jets", "datasets/generator"),
    "pythia8mc": ("datasets/generator",),
    "pandas": ("datasets", "api"),
    "pyhf": ("analysis",),
    "hepdata_lib": ("report/hepdata",),
    "sklearn": ("classifiers", "analysis/quality"),
    "matplotlib": ("report", "api/plot"),
    "jinja2": ("report/page",),
    "rich": ("cli", "report/render"),
    "zuko": ("nets/autoregressive", "nets/flows", "nets/splines"),
    "torch": ("nets", "methods", "morphing", "classifiers"),
}


@functools.cache
def imports_of(path):
    return list(read_imports(path))


def read_imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "anomaly_cli":
                yield from (f"anomaly_cli.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", [name for name in MODULES if name.split("/")[0] in ALLOWED])
def test_imports_point_one_way(name):
    layer = name.split("/")[0]
    for module in imports_of(MODULES[name]):
        parts = module.split(".")
        if parts[0] == "anomaly_cli" and len(parts) > 1:
            assert parts[1] in ALLOWED[layer], f"{name} imports {module}"


@pytest.mark.parametrize("library", HOMES)
def test_heavy_libraries_have_one_home(library):
    for name, path in MODULES.items():
        if library in {module.split(".")[0] for module in imports_of(path)}:
            assert name.startswith(HOMES[library]), f"{name} imports {library}"


def test_the_package_neither_prints_nor_asserts():
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), name
            is_print = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
            assert not is_print, name
        assert "TODO" not in path.read_text(), name


def test_modules_and_functions_stay_small():
    lengths, functions = [], []
    for name, path in MODULES.items():
        source = path.read_text()
        lengths.append(sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines()))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and not name.startswith("cli/"):
                size = node.end_lineno - node.lineno + 1
                functions.append(size)
                assert size <= 60, f"{name}: {node.name} has {size} lines"
    assert statistics.median(lengths) <= 110
    assert max(lengths) <= 320
    assert statistics.median(functions) <= 12


SHARED_NAMES = {
    # a family of plug-ins each
    "base": {"classifiers", "methods", "scores"},
    "combined": {"methods", "scores"},
    # a registry of renderers, one of what is said of artifacts, and one of pictures
    "registry": {"report/plots", "report/render", "report/results"},
    # a result from its numbers (analysis), by what makes it of files (stages, studies) and of values (search), to words
    "bump": {"analysis", "studies", "report/results"},
    "calibration": {"analysis", "report/results"},
    "closure": {"search", "stages", "report/results"},
    "limits": {"analysis", "studies", "report/results"},
    "morph": {"stages", "report", "report/results"},
    "overdispersion": {"studies", "report/results"},
    "permutation": {"studies", "report/results"},
    "sensitivity": {"analysis", "studies", "report/results"},
    "sharpness": {"nets", "search", "stages", "report/results"},
    "significance": {"stages", "report/results"},
    "split": {"search", "stages"},
    "template": {"core", "search", "stages"},
    "provisions": {"search", "stages"},
    "explain": {"search", "stages"},
    # a method or a score and its networks
    "autoencoder": {"nets", "scores"},
    "flows_for_flows": {"methods", "nets"},
    # the same word of one layer each
    "columns": {"artifacts", "datasets"},
    "contents": {"artifacts", "report"},
    "events": {"core", "scans"},
    "layout": {"artifacts", "report/render"},
    "progress": {"cli", "core"},
    "records": {"core", "scans"},
    "reproduction": {"artifacts", "report"},
    "results": {"api", "scans"},
    "settings": {"cli", "morphing", "scans", "search"},
    "status": {"report", "scans"},
    "tables": {"core", "datasets", "report"},
    "toys": {"analysis", "datasets"},
    "windows": {"core", "scans", "search", "studies"},
}
"""Names that several modules have, and where: a new one needs a better name, or a reason here."""


def test_modules_share_no_name_without_a_reason():
    found = {}
    for name in MODULES:
        folder, _, own = name.rpartition("/")
        if own != "__init__":
            found.setdefault(own, set()).add(folder)
    assert {own: folders for own, folders in found.items() if len(folders) > 1} == SHARED_NAMES


def own_imports(path):
    """Modules of the package that importing another one loads: what functions import, and what types need, left out."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                inner, outer = (one.removeprefix("anomaly_cli.").replace(".", "/") for one in (name, node.module))
                yield inner if inner in MODULES else outer


def test_no_import_leads_back_to_where_it_began():
    left = {name: {one for one in own_imports(path) if one in MODULES} for name, path in MODULES.items()}
    while free := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in free}
    assert not left


EQUAL_LINES = 8


def test_nothing_of_eight_lines_stands_twice():
    """Imports, and lines that only close a bracket, are left out."""
    found = {}
    for name, path in MODULES.items():
        stripped = (line.strip() for line in path.read_text().splitlines())
        lines = [line for line in stripped if line and not line.startswith(("#", "import ", "from ", ")", "]", "}"))]
        for first in range(len(lines) - EQUAL_LINES + 1):
            found.setdefault(tuple(lines[first : first + EQUAL_LINES]), []).append(name)
    assert not {lines: names for lines, names in found.items() if len(names) > 1}


def test_help_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'sklearn', 'pyhf', 'h5py', 'pandas', 'matplotlib', 'pooch', 'requests'}"
    code = f"import sys, anomaly_cli.cli.app; found = {heavy} & set(sys.modules); sys.exit(str(found) if found else 0)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_that_trains_nothing_waits_for_no_library_of_networks():
    heavy = "{'torch', 'zuko', 'sklearn', 'scipy.stats', 'pyhf', 'pandas', 'matplotlib'}"
    code = (
        "import sys, anomaly_cli.cli.execution, anomaly_cli.config as config, anomaly_cli.stages.resolve as resolve;"
        "resolve.resolve_settings(config.load_config([], [], {}));"
        f"found = {heavy} & set(sys.modules); sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_whatever_is_made_by_looking_at_the_signal_region_is_known_to_be():
    made = set()
    for path in (*PACKAGE.glob("stages/*.py"), *PACKAGE.glob("studies/*.py")):
        if "permission(" in path.read_text(encoding="utf-8") and path.stem != "blinding":
            module = importlib.import_module(f"anomaly_cli.{path.parent.name}.{path.stem}")
            own = [one for one in vars(module).values() if isinstance(one, Stage)]
            made |= {stage.kind.name for stage in own if stage.inputs.__module__ == module.__name__}
    assert made == {kind.name for kind in LOOKING}

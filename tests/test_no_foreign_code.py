"""Nothing that is read can become code: no pickle, no evaluated text, no commands made of strings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import anomaly_cli

PACKAGE = Path(anomaly_cli.__file__).parent
ROOT = PACKAGE.parent
MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "runpy", "code")
"""Modules that turn bytes or text into code."""
CALLS = (
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"),
    *("subprocess.getstatusoutput", "torch.load", "torch.save", "torch.jit.load", "joblib.load", "joblib.dump"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.dump", "pd.read_pickle", "pd.read_hdf"),
    *("pandas.read_pickle", "pandas.read_hdf", "np.fromfile", "numpy.load", "pd.eval"),
)
ALLOWED = {("testing.py", "import of pickle")}
"""The public check of plug-ins sends a fitted method as a worker process does: bytes that it has made itself."""


def offences(text):
    """Return what a piece of Python has that could run what it reads."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {f"import of {alias.name}" for alias in node.names if alias.name.split(".")[0] in MODULES}
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.add(f"import of {node.module}")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found |= {f"call of {name}"} if name in CALLS else set()
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            found |= {f"{name} in a shell"} if given.get("shell", "False") != "False" else set()
            found |= {f"{name} unpickles"} if given.get("allow_pickle", "False") != "False" else set()
            if given.get("Loader", "yaml.SafeLoader") not in ("yaml.SafeLoader", "SafeLoader", "yaml.CSafeLoader"):
                found.add(f"{name} with an unsafe loader")
    return found


def test_the_package_runs_nothing_that_it_reads():
    found = {
        (path.relative_to(PACKAGE).as_posix(), offence)
        for path in PACKAGE.rglob("*.py")
        for offence in offences(path.read_text(encoding="utf-8"))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "yaml.load(text)",
        "yaml.safe_load_all(text, Loader=yaml.Loader)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "np.load(path, allow_pickle=True)",
        "os.system(command)",
    ],
)
def test_the_search_finds_what_it_looks_for(text):
    assert offences(text)


def test_workflows_and_exported_scripts_run_nothing_that_they_read():
    from anomaly_cli.scans import export

    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "workflows").rglob("*") if path.is_file()}
    texts[Path(export.__file__)] = Path(export.__file__).read_text(encoding="utf-8")
    for path, text in texts.items():
        assert not re.search(r"\beval\b|\bpickle|yaml\.load|os\.system|shell=True|\bsource\b *\$|curl|wget", text), path


def test_yaml_of_exports_is_plain():
    """Every YAML file that is written is written by the safe dumper: it names no Python object."""
    calls = {
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r"\byaml\.\w+", path.read_text(encoding="utf-8"))
    }
    assert calls <= {"yaml.safe_dump", "yaml.safe_dump_all", "yaml.safe_load", "yaml.SafeDumper", "yaml.YAMLError"}

"""`anomaly cite` prints what a run used, and what is named."""

from __future__ import annotations

import re

import pytest
from conftest import invoke


def keys(*arguments):
    result = invoke("cite", *arguments)
    assert result.exit_code == 0, result.output
    return re.findall(r"^@\w+\{([^,]+),$", result.output, flags=re.MULTILINE)


def test_this_program_is_cited_with_its_build():
    result = invoke("cite")
    assert re.search(r"version = \{[\w.]+ \(commit [\w ,]+\)\}", result.output)
    assert keys() == ["anomaly"]


def test_a_run_cites_its_method_its_classifier_and_its_statistics(finished):
    found = keys("--run", finished)
    assert found[0] == "anomaly"
    assert {"2305.04646", "2309.13111", "1708.02949", "1007.1727", "Pyhf"} <= set(found)
    assert "2312.10130" not in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("name", "expected"), [("drapes", "2312.10130"), ("trees", "2309.13111"), ("lhco_rnd_features", "OlympicsRnD")]
)
def test_what_is_named_is_cited(name, expected):
    assert expected in keys(name)


def test_a_name_that_nothing_has_is_refused_with_the_nearest():
    result = invoke("cite", "drapse")
    assert result.exit_code == 2
    assert "is called 'drapse'; did you mean 'drapes'?" in " ".join(result.output.split())

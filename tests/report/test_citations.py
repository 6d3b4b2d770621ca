from __future__ import annotations

import re

import pytest

from anomaly_cli.artifacts.schema import KINDS
from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.datasets.manifests import manifest_names
from anomaly_cli.methods.base import METHODS
from anomaly_cli.report import citations
from anomaly_cli.scores.base import SCORES

TABLES = (citations.METHODS, citations.SCORES, citations.CLASSIFIERS, citations.STUDIES, citations.DATASETS)


@pytest.mark.parametrize(
    ("table", "family"),
    [(citations.METHODS, METHODS), (citations.SCORES, SCORES), (citations.CLASSIFIERS, CLASSIFIERS)],
)
def test_what_a_plug_in_says_of_its_source_is_cited_for_it(table, family):
    ours = {name: member for name, member in family.find().items() if member.__module__.startswith("anomaly_cli")}
    for name, member in ours.items():
        named = citations.of_reference(member.reference)
        assert set(named) <= {*table.get(name, named)}, name
        assert set(named) <= set(citations.entries()), name


def test_every_data_set_and_no_other_is_cited():
    assert set(citations.DATASETS) == set(manifest_names())


def test_studies_are_kinds_of_artifacts():
    assert set(citations.STUDIES) <= set(KINDS)


def test_every_work_that_is_named_has_an_entry():
    named = {key for table in TABLES for keys in table.values() for key in keys}
    assert named - set(citations.entries()) == set()


def test_entries_are_whole():
    text = citations.ENTRIES.read_text()
    assert len(citations.entries()) == text.count("@")
    for key, entry in citations.entries().items():
        assert entry.count("{") == entry.count("}"), key
        assert re.search(r"^  (eprint|doi) = \{.+\},$", entry, re.MULTILINE), key
        if re.fullmatch(r"\d{4}\.\d{4,5}", key):
            assert f"eprint = {{{key}}}" in entry


def test_a_bibliography_names_each_work_once_and_escapes_the_version():
    text = citations.bibtex(["2305.04646", "Pyhf", "2305.04646", "9912.99999"], "1.0_rc&")
    assert text.count("@") == 4
    assert text.count("@article{2305.04646,") == 1
    assert "eprint = {9912.99999}" in text
    assert r"version = {1.0\_rc\&}" in text

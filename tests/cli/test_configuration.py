"""`anomaly config` prints TOML with comments that reads back as it is, and a schema that it fits."""

from __future__ import annotations

import itertools
import json
import tomllib

import jsonschema
import pytest
from conftest import invoke

from anomaly_cli.config import load_config
from anomaly_cli.core.errors import ConfigError
from anomaly_cli.morphing.settings import MorphConfig


def printed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def defaults():
    return printed("config")


def test_what_is_printed_is_a_configuration_of_the_defaults(defaults, tmp_path):
    file = tmp_path / "all.toml"
    file.write_text(defaults)
    read = load_config([file], [], {})
    assert {**vars(read), "methods": {}, "classifiers": {}, "scores": {}} == vars(load_config([], [], {}))
    assert read.classifiers["trees"]["leaves"] == 31
    assert read.methods["combined"]["methods"] == ["curtains_f4f", "drapes"]


def test_every_setting_has_a_comment_above_it(defaults):
    lines = defaults.splitlines()
    for above, line in itertools.pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert above.startswith("#"), line
    assert "# template events per observed signal-region event; sensible: 1 to 10" in lines
    assert max(map(len, lines)) <= 100


def test_values_that_were_given_come_back_as_they_are(tmp_path):
    odd = 'a ", ]\\ [ # é'
    file = tmp_path / "some.toml"
    given = {"data": {"inject_from": [odd, "b=3"]}, "methods": {"combined": {"settings": {"drapes": {"steps": 30}}}}}
    written = f"data.inject_from = {json.dumps([odd, 'b=3'])}\nmethods.combined.settings.drapes.steps = 30\n"
    file.write_text(written)
    read = tomllib.loads(printed("config", "--config", file))
    assert read["data"]["inject_from"] == given["data"]["inject_from"]
    assert read["methods"]["combined"]["settings"] == {"drapes": {"steps": 30}}


def test_the_configuration_fits_its_schema_and_a_wrong_one_does_not(defaults):
    schema = json.loads(printed("config", "--schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    tree = tomllib.loads(defaults)
    jsonschema.validate(tree, schema)
    tree["classifiers"]["trees"]["leaves"] = "many"
    with pytest.raises(jsonschema.ValidationError, match="'many' is not of type 'integer'"):
        jsonschema.validate(tree, schema)
    tree["classifiers"]["trees"] = {"leafs": 3}
    with pytest.raises(jsonschema.ValidationError, match="leafs"):
        jsonschema.validate(tree, schema)


def test_the_settings_of_a_morph_are_printed_alike():
    text = printed("morph", "config")
    assert tomllib.loads(text) == tomllib.loads(MorphConfig().to_toml())
    assert "# events of each side kept out of the training" in text


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("classifier.trees.ensemble=3", "classifiers.trees"),
        ("template.cathode.base_epochs=3", "methods.cathode"),
        ("method.cathode.base_epochs=3", "methods.cathode"),
        ("score.r_anode.flows=2", "scores.r_anode"),
    ],
)
def test_settings_of_a_member_that_are_looked_for_in_the_wrong_table_say_where_they_are(key, place):
    with pytest.raises(ConfigError, match=f"are in '{place}'"):
        load_config([], [key], {})

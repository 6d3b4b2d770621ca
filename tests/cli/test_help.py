"""The help of every command, its options, and what a shell completes."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import invoke
from typer.testing import CliRunner

from anomaly_cli.classifiers.base import CLASSIFIERS
from anomaly_cli.cli import morph_commands, options, significance_commands, stage_commands
from anomaly_cli.cli.app import app
from anomaly_cli.cli.asked import Asked, Option
from anomaly_cli.cli.completion import plugin_names
from anomaly_cli.config import Config
from anomaly_cli.methods.base import METHODS
from anomaly_cli.morphing.settings import MorphConfig
from anomaly_cli.scores.base import SCORES

KEPT = Path(__file__).parent / "golden" / "options.txt"
TYPE = re.compile(r"<(str|int|float)>|\b(TEXT|INTEGER|FLOAT)\b")
"""How releases of typer call the type of a value."""
HELP = "-h, --help  Show this message and exit."


@cache
def sections(*command):
    """Return what the help of a command lists, one line each, by the name of the list."""
    shown = CliRunner().invoke(app, [*command, "--help"], terminal_width=500)
    assert shown.exit_code == 0, shown.output
    found, name, kind = {"Arguments": [], "Options": [], "Commands": [], "Examples": []}, "", ""
    for line in shown.output.splitlines():
        if line.endswith(":") and not line.startswith((" ", "Usage")):
            name = {"Example:": "Examples"}.get(line, line.rstrip(":"))
        elif not line.strip():
            name = ""
        elif name and line.startswith("   "):  # what an option with long words does is on the next line
            found[kind][-1] += f"  {line.strip()}"
        elif name:
            kind = name if name in found else "Options" if line.strip().startswith("-") else "Commands"
            found[kind].append(re.sub(r"\s{2,}", "  ", TYPE.sub("VALUE", line.strip())))
    return found


def every_command(*group):
    """Return every command, as the words after `anomaly`, groups and the program itself included."""
    inside = [line.split()[0] for line in sections(*group)["Commands"]]
    return [group, *(command for name in inside for command in every_command(*group, name))]


@pytest.mark.parametrize("width", [40, 52, 80])
@pytest.mark.parametrize("group", [[], ["data"], ["scan"], ["significance"], ["morph"], ["reproduce"]], ids=str)
def test_lists_of_commands_are_whole_sentences_in_any_terminal(group, width):
    shown = CliRunner().invoke(app, [*group, "--help"], terminal_width=width)
    commands = shown.output.split("Show this message and exit.")[1]
    assert shown.exit_code == 0
    assert "..." not in commands
    assert all(task.rstrip().endswith(".") for task in commands.split("\n\n") if task.strip())
    assert max(len(line) for line in commands.splitlines()) <= width


def test_every_command_has_the_options_that_are_kept_in_the_same_words():
    """UPDATE_GOLDEN=1 in the environment keeps those of now: look at the difference before it is committed."""
    lines = [
        f"anomaly {' '.join(command)}: {line}".replace(" : ", ": ")
        for command in sorted(every_command())
        for line in [*sections(*command)["Arguments"], *sorted(sections(*command)["Options"])]
        if line != HELP
    ]
    text = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(text)
    assert text == KEPT.read_text()


def test_every_help_has_examples_that_use_its_options():
    for command in every_command():
        examples = sections(*command)["Examples"]
        assert examples, command
        for words in (example.split() for example in examples):
            named = tuple(words[1 : 1 + len(command)]) if command else ()
            assert (words[0], named) == ("anomaly", command), command
            for path in (each for each in every_command() if tuple(words[1 : 1 + len(each)]) == each):
                known = sections(*path)["Options"]  # of the longest that the example names, in the end
            for flag in (word for word in words if word.startswith("--")):
                assert any(flag in line.split("  ")[0] for line in known), f"{' '.join(words)}: {flag}"


def test_the_commands_are_listed_by_task_and_none_is_left_over():
    for group in ([], ["significance"]):
        shown = CliRunner().invoke(app, [*group, "--help"]).output
        assert "\nFurther commands:" not in shown
        assert "\nCommands:" not in shown


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("clasify", "Did you mean 'anomaly classify'?"),
        ("limits", "Did you mean 'anomaly significance limits'?"),
        ("fetch", "Did you mean 'anomaly data fetch'?"),
        ("significance evaluate", "Did you mean 'anomaly evaluate'?"),
        ("scan stauts", "Did you mean 'anomaly scan status'?"),
        ("download", "Did you mean 'anomaly data fetch'?"),
        ("version", "Did you mean 'anomaly --version'?"),
        ("data xyzzy", "'anomaly data --help' lists the commands."),
        ("spit", "Did you mean 'anomaly split'?"),
        ("rnu", "Did you mean 'anomaly run'?"),
    ],
)
def test_a_misspelt_command_is_refused_with_the_one_that_may_be_meant(written, meant):
    result = invoke(*written.split())
    assert result.exit_code == 2
    assert f"No such command '{written.split()[-1]}'. {meant}" in " ".join(result.output.split())


def test_no_command_is_suggested_for_a_word_that_is_like_none():
    assert "split" not in invoke("plto").output


def test_every_command_and_group_knows_the_short_option_for_help():
    for command in every_command():
        assert HELP in sections(*command)["Options"], command
    for command in (("run",), ("scan", "run"), ("significance",)):
        short, long = (CliRunner().invoke(app, [*command, flag]) for flag in ("-h", "--help"))
        assert (short.exit_code, short.output) == (0, long.output)


def test_shell_completion_is_offered_at_the_top_only():
    for command in every_command():
        flags = {line.split()[0] for line in sections(*command)["Options"]}
        assert ({"--install-completion", "--show-completion"} <= flags) == (command == ()), command


def completed(line):
    """Return what bash is offered for a line, and whether torch or numpy were imported for it."""
    code = (
        "import sys; sys.argv = ['anomaly']\nfrom anomaly_cli.cli.app import app\n"
        "try: app(prog_name='anomaly')\n"
        "finally: print(sorted({'torch', 'sklearn', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    words = {"_ANOMALY_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, check=True
    )
    return done.stdout.split(), done.stderr.strip()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("anomaly run --method curtains_f4f", ["curtains_f4f", "curtains_f4f_efficient"]),
        ("anomaly template --method sal", ["salad"]),
        ("anomaly classify --classifier tr", ["trees"]),
        ("anomaly run --score cw", ["cwola"]),
        ("anomaly significance wi", ["windows"]),
        ("anomaly significance clo", []),
    ],
)
def test_names_are_completed_without_importing_what_they_stand_for(line, offered):
    assert completed(line) == (offered, "[]")


def test_devices_are_completed():
    assert completed("anomaly run --device c")[0] == ["cpu", "cuda"]


@pytest.mark.parametrize(
    ("family", "plugins"),
    [("methods", METHODS), ("classifiers", CLASSIFIERS), ("scores", SCORES)],
    ids=["methods", "classifiers", "scores"],
)
def test_what_is_completed_are_the_plug_ins_that_are_found(family, plugins):
    assert plugin_names(family) == list(plugins.find())


def test_help_takes_less_than_a_third_of_a_second():
    """Of CPU time, in the best of three: other processes do not count."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "anomaly_cli", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.3


def declared(module):
    """Return every option that a module declares, alone or in a group."""
    values = [item for value in vars(module).values() for item in (value if isinstance(value, tuple) else (value,))]
    return {option.name: option for option in values if isinstance(option, Option)}.values()


@pytest.mark.parametrize(
    ("module", "config"),
    [
        (options, Config(scores={"external": {"column": ""}})),
        (stage_commands, Config()),
        (significance_commands, Config()),
        (morph_commands, MorphConfig()),
    ],
    ids=["shared", "stages", "significance", "morph"],
)
def test_every_option_sets_a_setting_that_there_is_or_is_part_of_what_was_asked(module, config):
    fields = {field.name for field in dataclasses.fields(Asked)}
    found = declared(module)
    assert found
    for option in found:
        place = dataclasses.asdict(config)
        for part in option.setting.split(".") if option.setting else ():
            place = place[part]
        assert option.setting or option.name in fields, option.name


EVERYTHING = {
    "--signal-region": ("3.3-3.7", "regions.signal_region", "3.3-3.7"),
    "--side-bands": ("3.0-3.3,3.7-4.6", "regions.side_bands", "3.0-3.3,3.7-4.6"),
    "--data": ("some.h5", "data.file", str(Path("some.h5").absolute())),
    "--inject": ("17", "data.inject", 17),
    "--reserve": ("0.3", "data.reserve", 0.3),
    "--reference": ("more.h5", "data.reference", str(Path("more.h5").absolute())),
    "--inject-from": ("signal.h5=3", "data.inject_from", [str(Path("signal.h5=3").absolute())]),
    "--labels": ("key.csv", "data.labels", str(Path("key.csv").absolute())),
    "--key": ("table", "data.key", "table"),
    "--features": ("mj1, tau21_j1", "data.features", ["mj1", "tau21_j1"]),
    "--method": ("cathode", "template.method", "cathode"),
    "--simulation": ("mc.h5", "template.simulation", str(Path("mc.h5").absolute())),
    "--base": ("base.h5", "template.base", str(Path("base.h5").absolute())),
    "--oversampling": ("3", "template.oversampling", 3.0),
    "--classifier": ("trees", "classifier.name", "trees"),
    "--score": ("cwola", "score.name", "cwola"),
    "--score-file": ("scores.csv", "data.score_file", str(Path("scores.csv").absolute())),
    "--score-column": ("mine", "scores.external.column", "mine"),
    "--background-efficiencies": ("0.2,0.1", "significance.background_efficiencies", [0.2, 0.1]),
    "--seed": ("7", "seed", 7),
    "--processes": ("2", "processes", 2),
    "--device": ("auto", "device", "auto"),
}
"""An option of `run`, a value for it, the setting that it sets, and to what."""


@pytest.fixture
def asked(monkeypatch):
    """What the command `run` asks for, instead of running it."""
    from anomaly_cli.cli import execution

    found = []
    monkeypatch.setattr(execution, "print_plan", lambda asked, *_: found.append(asked))
    return found


def test_a_command_is_handed_everything_that_was_asked_for_in_one_record(asked, tmp_path):
    values = [word for flag, (text, _, _) in EVERYTHING.items() for word in (flag, text)]
    others = ("--drop-nan", "--strict", "--set", "threads=2", "--set", "seed=3", "--overwrite", "-q", "-v")
    others += ("--run", tmp_path)
    result = invoke("run", *values, *others, "--dry-run")
    assert result.exit_code == 0, result.output
    settings = {key: value for _, key, value in EVERYTHING.values()} | {"data.drop_nan": True, "data.strict": True}
    assert asked[0].settings == settings
    assert list(asked[0].overrides) == ["threads=2", "seed=3"]
    assert (asked[0].named, asked[0].file, asked[0].overwrite, asked[0].quiet) == (tmp_path, None, True, True)


def test_the_list_of_everything_that_run_sets_is_whole():
    flags = {line.split()[0].rstrip(",") for line in sections("run")["Options"]}
    others = {"--drop-nan", "--strict", "--set", "--overwrite", "-q", "-v", "--run", "--dry-run", "--config", "-h"}
    assert flags == set(EVERYTHING) | others | {"--unblind", "--measure", "--json", "--preset", "--report"}


def test_what_was_not_asked_for_sets_nothing(asked, tmp_path):
    assert invoke("run", "--run", tmp_path, "--dry-run").exit_code == 0
    assert asked == [Asked(named=tmp_path)]


def test_options_win_over_overrides_and_these_over_files(asked, tmp_path):
    (tmp_path / "config.toml").write_text(
        "seed = 1\nthreads = 1\nprocesses = 1\n[regions]\nsignal_region = '3.3-3.7'\n"
    )
    (tmp_path / "other.toml").write_text("seed = 2\nthreads = 2\nprocesses = 2\n")
    given = ("--config", tmp_path / "other.toml", "--set", "seed=3", "--set", "threads=3", "--seed", "4")
    assert invoke("run", "--run", tmp_path, *given, "--dry-run").exit_code == 0
    config = asked[0].config
    assert (config.seed, config.threads, config.processes) == (4, 3, 2)
    assert config.regions.signal_region == "3.3-3.7"


def test_the_configuration_of_the_default_directory_is_its_base(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anomaly-3.3-3.7").mkdir()
    (tmp_path / "anomaly-3.3-3.7" / "config.toml").write_text("seed = 5\n")
    assert invoke("run", "--signal-region", "3.3-3.7", "--dry-run").exit_code == 0
    assert asked[0].directory == Path("anomaly-3.3-3.7")
    assert asked[0].config.seed == 5


DEVICES = [
    *(("run", "--signal-region", "3.3-3.7"), ("base",), ("template",), ("classify",), ("closure",), ("evaluate",)),
    *(("significance", name) for name in ("windows", "permute", "calibrate", "inject-scan")),
    ("morph", "--source", "toy:ring", "--target", "toy:star"),
]


@pytest.mark.parametrize("command", DEVICES, ids=" ".join)
def test_a_device_that_there_is_not_is_refused_in_a_sentence_wherever_networks_are_trained(command, tmp_path):
    result = invoke(*command, "--run", tmp_path, "--device", "gpu")
    assert result.exit_code == 2, result.output
    assert "device 'gpu' is not known; write one of auto, cpu, cuda" in " ".join(result.output.split())


def test_the_old_name_of_the_windows_is_hidden_and_says_where_it_went():
    assert not any(line.startswith("closure") for line in sections("significance")["Commands"])
    for given in ((), ("--run", "somewhere", "--processes", "2", "--unheard-of")):
        result = invoke("significance", "closure", *given)
        assert result.exit_code == 2
        assert "is called 'anomaly significance windows' now" in " ".join(result.output.split())


def test_a_run_directory_that_is_needed_and_not_named_is_asked_for():
    result = invoke("significance")
    assert result.exit_code == 2
    assert "name a run directory, for instance --run my-run" in " ".join(result.output.split())

"""The command line's flags are the config's fields."""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import pytest
from drawn_configs import configs
from hypothesis import given

from benchmark import cli as bench
from drac import cli as drac
from drac.commands import completion, flags, others_flags
from drac.config import TrainConfig, as_argv, build, preset_defaults
from drac.errors import ConfigError

VERTICAL = "flip(axis='vertical')"


def parse(argv: list[str]) -> TrainConfig:
    """Read flags as `drac train` does."""
    defaults = preset_defaults(flags.peek(argv, "--fidelity") or "paper")
    flags_type = make_dataclass("Flags", flags.config_fields(defaults))
    return build(vars(flags.parse(flags_type, argv, "drac train", "")))


@given(config=configs())
def test_the_flags_of_a_config_give_that_config(config: TrainConfig) -> None:
    assert parse(as_argv(config)) == config


def test_flags_name_what_differs_only() -> None:
    always = ["--game", "coinrun", "--method", "ucb-drac", "--seed", "0"]
    assert as_argv(TrainConfig()) == always
    config = TrainConfig(method="drac", augmentation="flip(axis='vertical')", fidelity="released")
    argv = as_argv(config)
    assert argv[4:] == [
        *("--seed", "0", "--fidelity", "released"),
        *("--augmentation", "flip(axis='vertical')"),
    ]
    assert parse(argv) == config


def test_specifications_with_spaces_quotes_and_brackets_are_arms() -> None:
    arms = ("flip(axis='vertical')", "crop(pad=4)", "random-conv")
    config = parse(["--arms", "flip( axis = 'vertical' )", "crop(pad=4)", "random-conv"])
    assert config.arms == arms
    assert parse(as_argv(config)) == config


def test_every_field_is_a_flag_with_a_help_text() -> None:
    fields = flags.config_fields(preset_defaults("paper"))
    assert [name for name, _, _ in fields] == list(TrainConfig.model_fields)
    assert all(field.description for field in TrainConfig.model_fields.values())
    without = flags.config_fields(preset_defaults("paper"), exclude=("game", "seed"))
    assert not {"game", "seed"} & {name for name, _, _ in without}


def test_the_help_lists_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(["--help-all"])
    assert not stop.value.code
    out = capsys.readouterr().out
    for name, field in TrainConfig.model_fields.items():
        assert f"--{name.replace('_', '-')} " in out
        assert (field.description or "").split(" (")[0].split()[0] in out


def test_the_help_shows_the_defaults_of_the_chosen_fidelity(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse(["--fidelity", "released", "--help-all"])
    assert "(default: sampled)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--game=maze"], "game", "maze"),
        (["--steps=25M"], "steps", 25_000_000),
        (["--num-envs=32"], "num_envs", 32),
        (["--num_envs", "32"], "num_envs", 32),
        (["--eval-every", "0"], "eval_every", 0),
        (["--learning-rate=1e-3"], "learning_rate", 1e-3),
        (["--game", "maze", "--game", "miner"], "game", "miner"),
        (["--augmentation=flip(axis='vertical')", "--method=drac"], "augmentation", VERTICAL),
    ],
)
def test_flags_may_be_written_in_both_ways(argv: list[str], name: str, value: Any) -> None:
    assert getattr(parse(argv), name) == value


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], None),
        (["--fidelity"], None),
        (["--fidelity", "a"], "a"),
        (["--fidelity=a"], "a"),
        (["--fidelity", "a", "--fidelity=b"], "b"),
        (["--fidelity=b", "--fidelity", "a", "--seed", "1"], "a"),
        (["--fidelity-x", "a"], None),
    ],
)
def test_peek_sees_the_value_that_counts(argv: list[str], expected: str | None) -> None:
    assert flags.peek(argv, "--fidelity") == expected


def test_the_last_of_two_fidelities_sets_the_presets() -> None:
    argv = ["--fidelity", "paper", "--fidelity", "released"]
    assert parse(argv) == TrainConfig(fidelity="released")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--gme", "maze"], "unknown option '--gme' .did you mean '--game'.*--help lists"),
        (["--gme=maze"], "unknown option '--gme'"),
        (["--game"], "--game"),
        (["--game", "--seed", "3"], "--game"),
        (["--seed", "3", "--run"], "unknown option '--run'"),
        (["maze"], "maze"),
        (["--game", "maze", "extra"], "extra"),
        (["-g", "maze"], "-g"),
        (["--", "--game"], "--game"),  # what follows -- is no flag
    ],
)
def test_a_line_that_is_not_understood_is_one_sentence(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(argv)
    assert not set("\n│╭─\x1b") & set(str(caught.value))
    assert "drac train --help" in str(caught.value)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("given_", "at_least"), [("0", 1), ("-1", 0), ("x", 0), ("", 0)])
def test_a_count_that_is_none_is_named(given_: str, at_least: int) -> None:
    with pytest.raises(ConfigError, match=r"^episodes "):
        flags.whole_number("episodes", given_, at_least)
    assert flags.whole_number("episodes", "1k", 1) == 1000


# What other trainers call it


@pytest.mark.parametrize(
    ("program", "command", "said"),
    [
        (drac, "train --lr 1e-3", "'--lr' (here: --learning-rate)"),
        (drac, "train --env-id maze", "(here: --game)"),
        (bench, "run --env-id maze", "(here: --games)"),
        (drac, "train --total-timesteps=1M", "(here: --steps)"),
        (bench, "run --total_timesteps 1M", "'--total-timesteps' (here: --steps)"),
        (drac, "train --n-envs 8", "(here: --num-envs)"),
        (drac, "train --resume", "(the same command continues a run that was stopped)"),
        (drac, "train --capture-video", "(drac watch makes a video of a run)"),
        (drac, "train --tensorboard-log", "(TensorBoard files are written into the run's folder"),
        (drac, "train --wandb-project-name", "(WANDB_PROJECT names the project of --track wandb)"),
        (bench, "run --learning-rat 1", "(did you mean '--learning-rate'?)"),
        (drac, "evaluate x --n-eval-episodes 5", "(here: --episodes)"),
        (bench, "status --resume", "(did you mean '--results'?)"),
        (bench, "tables --lr 1", "unknown option '--lr'"),
    ],
)
def test_flags_of_other_trainers_are_understood(
    program: Any, command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(command.split()) == 2
    assert said in capsys.readouterr().err


def test_what_they_are_called_here_exists() -> None:
    known = {f"--{name}".replace("_", "-") for name in TrainConfig.model_fields}
    known |= {"--experiment", "--results", "--episodes"}
    assert set(others_flags._SAME.values()) <= known
    assert not (others_flags._SAME.keys() | others_flags._OTHERWISE.keys()) & known


# Help


HELPS = [
    (program, command)
    for program in (drac, bench)
    for command in re.findall(r"^  ([a-z-]+)", program.USAGE, re.MULTILINE)
    if "drac" not in command  # an example
]
HELPS += [(drac, ""), (drac, "train --help-all"), (drac, "augmentations list"), (bench, "")]
HELPS += [(bench, "run --help-all"), (bench, "speed augmentations"), (bench, "speed compare")]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize(("program", "command"), HELPS)
def test_the_help_is_tidy_and_as_wide_as_the_terminal(
    program: Any,
    command: str,
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with contextlib.suppress(SystemExit):
        more = ["show"] if command == "augmentations" else []
        program.main([*command.split(), *more, "--help"])
    said = capsys.readouterr().out
    assert not re.search(r"\{None\}|\(default: ?\)|--no-no|\(default: [^)]*\)\s*\(default", said)
    lines = [line for line in said.splitlines() if "  drac" not in line and ": drac" not in line]
    assert max(map(len, lines)) <= columns
    assert max(map(len, said.splitlines())) <= max(columns, 80)  # commands, which are copied


@pytest.mark.parametrize("words", ["augmentations list", "train --method help"])
def test_lists_are_as_wide_as_the_terminal(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = []
    for columns in ("80", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        assert drac.main(words.split()) == 0
        widths.append(max(map(len, capsys.readouterr().out.splitlines())))
        assert widths[-1] <= int(columns)
    assert widths[0] < widths[1]


def test_the_first_help_is_short_and_says_where_the_rest_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for program, command, most in ((drac, "train", 66), (bench, "run", 95)):
        with pytest.raises(SystemExit):
            program.main([command, "--help"])
        said = capsys.readouterr().out
        assert said.count("\n") <= most
        assert "  --help-all  " in said
        shown = {*re.findall(r"^  --([a-z-]+)", said, re.MULTILINE)}
        assert {"steps", "device", "eval-every", "eval-episodes", "levels", "results"} <= shown
        assert not {"gamma", "trpo-kl", "learning-rate"} & shown
        assert "only " not in said
    assert drac.main(["evaluate", "--help-all"]) == 2  # which has no more
    assert "did you mean '--help'" in capsys.readouterr().err


def test_options_are_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        drac.main(["train", "--help-all"])
    said = capsys.readouterr().out
    titles = re.findall(r"^(\S.*):$", said, re.MULTILINE)
    titles = titles[titles.index("options") :]
    few = [title for title in titles if title.startswith("only ")]
    assert few == titles[-len(few) :]
    for option, title in (
        ("--game", "options"),
        ("--gamma", "optimization"),
        ("--trpo-kl", "only trpo"),
    ):
        before = said[: said.index(f"  {option} ")]
        assert re.findall(r"^(\S.*):$", before, re.MULTILINE)[-1] == title


# Completion


@pytest.mark.parametrize("shell", completion.SHELLS)
@pytest.mark.parametrize("program", [drac, bench])
def test_a_shell_completes(
    program: Any, shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("shtab")
    assert program.main(["--print-completion", shell]) == 0
    script = capsys.readouterr().out
    shown = ("starpilot", "ucb-drac", "learning-rate", *(["show"] if program is drac else []))
    assert all(word in script for word in shown)
    if shell == "bash":
        (tmp_path / "script").write_text(script)
        subprocess.run(["bash", "-n", "script"], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bsh"], "unknown shell 'bsh' (did you mean 'bash'?)"),
        ([], "--print-completion takes one shell: bash, zsh, tcsh"),
        (["bash", "zsh"], "--print-completion takes one shell"),
    ],
)
def test_a_shell_that_is_none(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drac.main(["--print-completion", *words]) == 2
    assert said in capsys.readouterr().err
    assert drac.main(["train", "".join([*completion.ASK])]) == 2  # nobody can type it

"""Configurations: what they accept, what the presets set, and how runs are continued."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pydantic
import pytest
from drawn_configs import configs
from hypothesis import given

from augmentations import PAPER_ARMS
from drac import methods
from drac.config import CONTINUABLE, TrainConfig, build, preset_defaults
from drac.config.fidelity import PRESETS
from drac.errors import ConfigError
from drac.methods import METHODS

# Presets


def test_a_preset_sets_existing_fields_only_and_both_set_the_same() -> None:
    assert PRESETS["paper"].keys() == PRESETS["released"].keys() <= TrainConfig.model_fields.keys()
    for name, value in PRESETS["paper"].items():
        assert TrainConfig.model_fields[name].default == value
        assert PRESETS["released"][name] != value, f"{name} need not be in a preset"


def test_the_presets_are_the_columns_of_the_fidelity_page() -> None:
    paper, released = TrainConfig(), TrainConfig(fidelity="released")
    rows = {
        "residual": ("impala", "released"),
        "policy_target": ("exact", "sampled"),
        "value_consistency_scale": (1.0, 0.5),
        "flip_axis": ("horizontal", "vertical"),
        "cutout_color_scale": ("unit", "released"),
        "bandit_reward_rows": ("rollout", "released"),
        "meta_conv": ("learned", "frozen"),
        "plr_min_seen": (0.0, 1.0),
        "plr_cut_episodes": ("mean", "released"),
        "mix_advantages": ("normalized", "raw"),
        "rl2_reward_input": ("latest", "previous"),
        "minibatch_by": ("steps", "envs"),
    }
    assert {k: (getattr(paper, k), getattr(released, k)) for k in rows} == rows
    differing = {name for name, value in paper if value != getattr(released, name)}
    assert differing == {"fidelity", *rows}


def test_the_rows_in_which_both_agree() -> None:
    config = TrainConfig()
    assert (config.gamma, config.gae_lambda) == (0.999, 0.95)
    assert (config.num_steps, config.num_envs, config.epochs, config.minibatches) == (256, 64, 3, 8)
    assert (config.clip, config.learning_rate, config.adam_eps) == (0.2, 5e-4, 1e-5)
    assert (config.entropy_coef, config.value_coef, config.max_grad_norm) == (0.01, 0.5, 0.5)
    assert (config.reward_gamma, config.reward_clip, config.aug_coef) == (0.99, 10, 0.1)
    assert (config.ucb_exploration, config.ucb_window) == (0.1, 10)
    assert (config.ucb_initial, config.ucb_reward) == ("prior", "raw")
    assert config.arms == PAPER_ARMS
    assert config.train_levels == range(200)


def test_25m_steps_are_1525_updates() -> None:
    config = TrainConfig(steps="25M")
    assert config.num_updates == 1525
    assert config.num_updates * config.rollout_size == 24_985_600


@pytest.mark.parametrize("name", PRESETS["released"])
def test_a_given_value_beats_the_preset(name: str) -> None:
    having = [m.name for m in METHODS.values() if name in m.options and m.augmentations != "fixed"]
    method = {"method": having[0]} if having else {}
    config = TrainConfig(fidelity="released", **method, **{name: PRESETS["paper"][name]})
    assert getattr(config, name) == PRESETS["paper"][name]
    others = PRESETS["released"].keys() - {name}
    assert all(getattr(config, other) == PRESETS["released"][other] for other in others)


def test_the_command_line_s_defaults_are_the_preset_s() -> None:
    for fidelity in ("paper", "released"):
        defaults = preset_defaults(fidelity)
        assert TrainConfig(**defaults) == TrainConfig(fidelity=fidelity)
    assert preset_defaults("nonsense")["fidelity"] == "paper"


# What is refused


def test_a_config_is_frozen() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        TrainConfig().seed = 1


def test_an_unknown_field_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown option 'num_env' .did you mean 'num_envs'"):
        build({"num_env": 3})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), "nan", "inf"])
@pytest.mark.parametrize(
    "name",
    [name for name, field in TrainConfig.model_fields.items() if field.annotation is float],
)
def test_no_number_is_infinite_or_none_at_all(name: str, number: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} .*is not possible"):
        build({name: number})


BAD: list[tuple[dict[str, Any], str]] = [
    ({"game": "coinrum"}, "unknown game 'coinrum' .did you mean 'coinrun'.*starpilot"),
    ({"game": "CoinRun"}, "unknown game 'CoinRun' .did you mean 'coinrun'"),
    ({"game": 3}, "game 3"),
    ({"method": 3}, "method 3"),
    ({"method": "drac", "augmentation": 3}, "augmentation 3"),
    ({"method": "drac"}, "needs an augmentation"),
    ({"augmentation": "crop"}, "takes no --augmentation"),
    ({"seed": -1}, "seed -1"),
    ({"seed": 2**31}, f"seed {2**31}"),
    ({"seed": 1.5}, "seed 1.5"),
    ({"steps": 0}, "steps 0"),
    ({"steps": -5}, "steps -5"),
    ({"steps": "many"}, "steps 'many' is not a whole number"),
    ({"steps": "1" * 9999}, "steps '111.*not a whole number"),
    ({"steps": None}, "steps None"),
    ({"num_envs": 1, "num_steps": 1, "minibatches": 1}, "needs at least 2 samples"),
    ({"steps": 16_383}, "16383 are fewer than one rollout: num_envs 64 x num_steps 256 = 16384"),
    ({"num_envs": 3, "num_steps": 5}, "3 x num_steps 5 = 15 is not divisible by minibatches 8"),
    ({"num_envs": 0}, "num_envs 0"),
    ({"num_envs": 5000, "steps": "1B"}, "num_envs 5000"),
    ({"num_steps": 0}, "num_steps 0"),
    ({"minibatches": 0}, "minibatches 0"),
    ({"epochs": 0}, "epochs 0"),
    ({"micro_batch": 0}, "micro_batch 0"),
    ({"gamma": 1.01}, "gamma 1.01"),
    ({"gae_lambda": -0.1}, "gae_lambda -0.1"),
    ({"learning_rate": 0}, "learning_rate 0"),
    ({"clip": 0}, "clip 0"),
    ({"aug_coef": -1}, "aug_coef -1"),
    ({"ucb_window": 0}, "ucb_window 0"),
    ({"method": "idaac", "idaac_value_every": 0}, "idaac_value_every 0"),
    ({"eval_episodes": 0}, "eval_episodes 0"),
    ({"eval_every": -1}, "eval_every -1"),
    ({"checkpoint_every": -1}, "checkpoint_every -1"),
    ({"checkpoint_every": "10M"}, "checkpoint_every '10M' must be minutes, such as 10 or 2.5m, or"),
    ({"disk_wait": -1}, "disk_wait -1"),
    ({"on_nan": "go on"}, "on_nan 'go on' is not possible.*'stop' or 'skip'"),
    ({"fidelity": "Paper"}, "fidelity 'Paper' is not possible.*'paper' or 'released'"),
    ({"fidelity": None}, "fidelity None"),
    ({"device": "cuda:1"}, "device 'cuda:1'"),
    ({"mode": "Easy"}, "mode 'Easy'.*'easy', 'hard', 'extreme', 'memory' or 'exploration'"),
    ({"arms": ()}, "arms are empty"),
    ({"arms": ("crop", "flip", "crop()")}, "arms name crop more than once"),
    ({"arms": ("crop", "flop")}, "unknown augmentation 'flop' .did you mean"),
    ({"arms": ("crop", "")}, "augmentation ''"),
    ({"arms": 3}, "arms 3"),
    ({"levels": "5-4"}, "levels '5-4' are empty"),
    ({"levels": "-5-10"}, "levels '-5-10' must be A-B"),
    ({"levels": "200"}, "levels '200' must be A-B"),
    ({"levels": ""}, "levels '' must be A-B"),
    ({"levels": "a-b"}, "levels 'a-b' must be A-B"),
    ({"levels": "0-2147483647"}, "levels '0-2147483647' must lie below"),
    ({"levels": 5}, "levels 5"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[str(v)[:40] for v, _ in BAD])
def test_what_cannot_be_run_is_refused_in_one_sentence(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build(values)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    with pytest.raises(ValueError, match=r"."):  # pydantic's own error is a ValueError too
        TrainConfig(**values)


def test_several_mistakes_are_told_together() -> None:
    with pytest.raises(ConfigError, match=r"seed -1 .*; mode 'Easy'"):
        build({"seed": -1, "mode": "Easy"})


def test_levels_and_augmentations_are_kept_in_one_spelling() -> None:
    config = TrainConfig(levels=" 007 - 09 ", method="drac", augmentation="flip( axis='vertical')")
    assert config.levels == "7-9"
    assert config.train_levels == range(7, 10)
    assert config.augmentation == "flip(axis='vertical')"
    assert config.method == "drac-flip-axis-vertical"
    assert TrainConfig(levels="3-3").train_levels == range(3, 4)


# config.json


@given(config=configs())
def test_a_config_survives_its_file(
    config: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    path.write_text(config.to_json(), encoding="utf-8")
    assert TrainConfig.from_json(path) == config
    assert set(json.loads(config.to_json())) == {"format", *TrainConfig.model_fields}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        TrainConfig().to_json().encode()[:-40],
        b"[1, 2]",
        b'"format"',
        b"null",
        b"3",
        b"{}",
        b'{"name": "other", "version": 3}',
        b'{"format": 2}',
        b'{"format": null}',
        b'{"format": [1]}',
        b'{"format": 1, "learning_rate": NaN}',
        b'{"format": 1, "learning_rate": Infinity}',
        b'{"format": 1, "colour": "red"}',
        b'{"format": 1, "game": {"a": [1]}}',
        b'{"format": 1, "arms": [["crop"]]}',
        b'{"format": 1, "steps": 1' + b"0" * 5000 + b"}",
        b'{"format": 1, "self": 1}',
        b"\xff\xfe\x00\x01",
        b"\x80\x02}q\x00.",
        b"[" * 200_000,
        b'{"format": 1, "game": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"format": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    ],
    ids=lambda content: repr(content)[:30],
)
def test_a_file_that_is_no_config_is_refused_in_one_sentence(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        TrainConfig.from_json(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            TrainConfig.from_json(path)


# Continuing a run

RUN = Path("results/runs/x")


def test_the_same_config_continues() -> None:
    saved = TrainConfig(device="cpu", precision="float32")
    assert saved.continue_from(saved, RUN) == saved


def test_more_steps_and_other_saving_intervals_continue() -> None:
    machine = {"threads": 4, "env_groups": 2, "cuda_graphs": False}  # rounding at most
    operation = {"checkpoint_every": "1M-steps", "disk_wait": 0, "on_nan": "skip"}
    assert {"steps", *operation, *machine} == CONTINUABLE
    saved = TrainConfig(steps="1M")
    wanted = TrainConfig(steps="2M", **operation, **machine)
    assert wanted.continue_from(saved, RUN) == wanted


def test_fewer_steps_are_refused_only_where_more_are_trained() -> None:
    shorter, saved = TrainConfig(steps="1M"), TrainConfig(steps="2M")
    whole = shorter.num_updates * shorter.rollout_size
    assert shorter.continue_from(saved, RUN, reached=whole) == shorter
    with pytest.raises(ConfigError, match=r"results/runs/x .*step 999,425.*1,000,000 asked"):
        shorter.continue_from(saved, RUN, reached=whole + 1)


def test_every_count_has_an_upper_bound_and_no_float_is_lost_to_float32() -> None:
    """What has no bound ends in a traceback: out of memory, or beyond a machine's integers."""
    for name, field in TrainConfig.model_fields.items():
        default = field.default
        if isinstance(default, int) and not isinstance(default, bool):
            with pytest.raises(ConfigError, match=name):
                build({"method": "idaac" if "idaac" in name else "ppo", name: 10**26})
        if isinstance(default, float) and name != "checkpoint_every":
            for value in (1e-320, -1e-320, 1e300):
                with pytest.raises(ConfigError, match=name):
                    build({"method": "ppo", name: value})


def test_auto_becomes_what_was_resolved() -> None:
    saved = TrainConfig(device="cpu", precision="bf16")
    assert TrainConfig().continue_from(saved, RUN) == saved
    with pytest.raises(ConfigError, match="precision is 'bf16' there and 'float32' here"):
        TrainConfig(precision="float32").continue_from(saved, RUN)


OTHER: dict[str, Any] = {
    "game": "maze",
    "init_from": "runs/ppo",
    "compile": True,
    "tf32": True,
    "seed": 3,
    "mode": "hard",
    "levels": "0-99",
    "num_envs": 32,
    "num_steps": 128,
    "learning_rate": 1e-3,
    "adam_eps": 1e-8,
    "gamma": 0.9,
    "gae_lambda": 0.9,
    "epochs": 2,
    "minibatches": 4,
    "clip": 0.1,
    "entropy_coef": 0.0,
    "value_coef": 1.0,
    "max_grad_norm": 1.0,
    "reward_gamma": 0.9,
    "reward_clip": 5.0,
    "hidden_size": 64,
    "micro_batch": 64,
    "recurrent": True,
    "aug_coef": 0.2,
    "arms": ("crop",),
    "ucb_exploration": 0.2,
    "ucb_window": 5,
    "ucb_initial": "try-each-once",
    "ucb_reward": "standardized",
    "plr_score": "gae",
    "plr_temperature": 0.2,
    "plr_staleness": 0.2,
    "plr_smoothing": 0.5,
    "plr_replay": 0.5,
    "eval_every": 0,
    "eval_episodes": 5,
    "eval_envs": 5,
    **PRESETS["released"],
}


def test_every_differing_field_is_named() -> None:
    saved = TrainConfig(device="cpu", precision="float32")
    wanted = TrainConfig(method="ucb-drac+plr", fidelity="released", **OTHER)
    names = {*OTHER, "fidelity"}
    foreign = methods.options_of_others("ucb-drac+plr") - PRESETS["released"].keys()
    others = {"device", "precision", "method", *foreign}
    assert names == TrainConfig.model_fields.keys() - CONTINUABLE - others
    for config, expected in (
        (wanted, {*names, "method"}),
        (TrainConfig(method="drac-crop"), {"method", "augmentation"}),
    ):
        with pytest.raises(ConfigError, match="another configuration") as caught:
            config.continue_from(saved, RUN)
        assert set(re.findall(r"(\w+) is .*? there and", str(caught.value))) == expected


def another(option: str) -> Any:
    """A possible value of an option that is not its default."""
    default = TrainConfig.model_fields[option].default
    if option in OTHER:
        return OTHER[option]
    if option == "per_game":
        return "published"
    assert type(default) in (int, float), option
    return 2 * default or 1 if isinstance(default, int) else default / 2 or 0.5


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_own_options_and_refuses_those_of_others(name: str) -> None:
    method = f"{name}-crop" if METHODS[name].is_family else name
    elsewhere = {"augmentation", "best_from"}  # have rules, and tests, of their own
    for option in {*METHODS[name].options} - elsewhere:
        value = another(option)
        assert getattr(build({"method": method, option: value}), option) == value
    for option in methods.options_of_others(method) - elsewhere:
        with pytest.raises(ConfigError) as caught:
            build({"method": method, option: another(option)})
        message = str(caught.value)
        assert f"{method!r} has no option {option}" in message
        assert all(other in message for other in methods.with_option(option))
        assert "\n" not in message


def test_only_the_differing_field_is_named() -> None:
    with pytest.raises(ConfigError, match="configuration: seed is 0 there and 3 here; to go on"):
        TrainConfig(seed=3).continue_from(TrainConfig(), RUN)

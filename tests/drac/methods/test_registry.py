"""The names of methods, in both spellings."""

from __future__ import annotations

from typing import get_args

import pytest

import augmentations
from drac.config import TrainConfig
from drac.methods import METHODS, get, method_ids, spellings
from drac.methods.method import Method, Part
from drac.methods.spellings import resolve

FAMILIES = [name for name, method in METHODS.items() if method.is_family]


def test_every_identifier_resolves_to_itself() -> None:
    for method_id in method_ids():
        resolved, spec = resolve(method_id, None)
        assert resolved == method_id
        assert (spec is not None) == get(method_id).is_family


def test_the_identifiers_are_the_families_times_the_augmentations_and_the_rest() -> None:
    assert {"ppo", "ucb-drac", "drac-crop", "drac-color-jitter", "drac-identity"} <= {*method_ids()}
    rest = len(METHODS) - len(FAMILIES)
    assert len(method_ids()) == len(FAMILIES) * len(augmentations.names()) + rest


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_is_and_where_it_comes_from(name: str) -> None:
    method = METHODS[name]
    assert method.name == name
    assert method.summary
    assert method.source
    parts = [kind for kind in get_args(Part) if getattr(method, kind)]
    assert {"objective", "selector", "network", "learner", "levels"} <= {*parts}
    assert all(callable(method.part(kind)) for kind in parts)


def test_a_part_that_is_nowhere_is_named() -> None:
    method = Method("mine", "", "", network="no_such_package.nets:Wide")
    with pytest.raises(
        ValueError, match="method 'mine' has no network 'no_such_package.nets:Wide'"
    ):
        method.part("network")


@pytest.mark.parametrize("name", METHODS)
def test_its_options_are_the_config_s(name: str) -> None:
    method = METHODS[name]
    assert {*method.options} <= TrainConfig.model_fields.keys()


@pytest.mark.parametrize("augmentation", augmentations.names())
@pytest.mark.parametrize("name", FAMILIES)
def test_the_two_spellings_are_one_method(name: str, augmentation: str) -> None:
    expected = (f"{name}-{augmentation}", augmentation)
    assert resolve(f"{name}-{augmentation}", None) == expected
    assert resolve(name, augmentation) == expected
    assert resolve(f"{name}-{augmentation}", augmentation) == expected
    assert resolve(name, f" {augmentation} ( ) ") == expected


def test_a_specification_becomes_a_slug() -> None:
    expected = ("drac-flip-axis-vertical", "flip(axis='vertical')")
    assert resolve("drac", 'flip( axis = "vertical" )') == expected
    assert resolve(*expected) == expected  # as config.json has it
    assert get("drac-flip-axis-vertical") is METHODS["drac"]


@pytest.mark.parametrize(
    ("method_id", "augmentation", "message"),
    [
        ("pppo", None, "unknown method 'pppo' .did you mean 'ppo'.*ucb-drac"),
        ("PPO", None, "did you mean 'ppo'"),
        ("drac-crp", None, "did you mean 'drac-crop'"),
        ("drac-Crop", None, "did you mean 'drac-crop'"),
        ("drac-gamma", None, "no augmentation 'gamma' here; .*pip install.*package.module:Name$"),
        ("drac", "gamma", "unknown augmentation 'gamma': .*pip install.*; choose from crop"),
        ("mine.dark.Dim", None, "did you mean 'drac-mine.dark:Dim'"),
        ("mine.dark:Dim(strength=0.9)", None, r"mean 'drac-mine.dark:Dim\(strength=0.9\)'"),
        ("mine/dark.py:Dim", None, "did you mean 'drac-mine.dark:Dim'"),
        ("kornia:RandomInvert", None, "did you mean 'drac-kornia:RandomInvert'"),
        ("crop", None, "did you mean 'drac-crop'"),
        ("drac-", None, "unknown method 'drac-'"),
        ("drac-", "crop", "unknown method 'drac-'"),
        ("", None, "unknown method ''"),
        ("drac", None, "'drac' needs an augmentation.*--method drac-crop.*color-jitter"),
        ("drac", "crp", "unknown augmentation 'crp' .did you mean 'crop'"),
        ("drac", "flip(", "flip"),
        ("rad-rollout-crp", None, "did you mean 'rad-rollout-crop'"),
        ("rad-rollout", None, "'rad-rollout' needs an augmentation.*--method rad-rollout-crop"),
        ("rad-rollout-crop", "flip", "'rad-rollout-crop' and augmentation 'flip' contradict"),
        ("drac-crop", "flip", "'drac-crop' and augmentation 'flip' contradict"),
        ("drac-flip", "flip(axis='vertical')", "contradict"),
        ("drac-nonsense", "crop", "contradict"),
        ("ppo", "crop", "'ppo' takes no --augmentation .given: 'crop'"),
        ("ucb-drac", "crop", "takes no --augmentation.*--arms"),
    ],
)
def test_what_makes_no_sense_is_refused(
    method_id: str, augmentation: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        resolve(method_id, augmentation)
    assert "\n" not in str(caught.value)


def test_what_a_run_recorded_is_not_looked_up() -> None:
    expected = ("drac-gone", "gone")
    assert resolve("drac-gone", "gone", recorded=True) == expected
    assert resolve("drac-gone", None, recorded=True) == expected
    assert resolve("drac", "gone(x = 1)", recorded=True) == ("drac-gone-x-1", "gone(x=1)")
    with pytest.raises(ValueError, match="contradict"):
        resolve("drac-gone", "crop", recorded=True)
    with pytest.raises(ValueError, match="is not a name or name"):
        resolve("drac", "gone(", recorded=True)


WIRED = {
    "ppo": ("ppo:PPO", "fixed_arm"),
    "plr": ("ppo:PPO", "fixed_arm"),
    "drac": ("drac:DrAC", "fixed_arm"),
    "drac-best": ("drac:DrAC", "fixed_arm"),
    "meta-drac": ("drac:DrAC", "fixed_arm"),
    "drac-meta-coef": ("drac:DrAC", "fixed_arm"),
    "ucb-drac": ("drac:DrAC", "sliding_window_ucb"),
    "ucb-drac+plr": ("drac:DrAC", "sliding_window_ucb"),
    "rand-drac": ("drac:DrAC", "uniform"),
    "thompson-drac": ("drac:DrAC", "thompson"),
    "discounted-ucb-drac": ("drac:DrAC", "discounted_ucb"),
    "exp3-drac": ("drac:DrAC", "exp3"),
    "rl2-drac": ("drac:DrAC", "rl2"),
    "dra": ("drac:DrA", "fixed_arm"),
    "drc": ("drac:DrC", "fixed_arm"),
    "rad": ("rad:RAD", "fixed_arm"),
    "rad-best": ("rad:RAD", "fixed_arm"),
    "rad-rollout": ("ppo:PPO", "fixed_arm"),
    "ucb-rad": ("rad:RAD", "sliding_window_ucb"),
    "rand-fm": ("rand_fm:RandFM", "fixed_arm"),
    "ibac-sni": ("ibac_sni:IBACSNI", "fixed_arm"),
    "mixreg": ("mixreg:Mixreg", "fixed_arm"),
    "daac": ("daac:DAAC", "fixed_arm"),
    "idaac": ("daac:IDAAC", "fixed_arm"),
    "ppo-lstm": ("ppo:PPO", "fixed_arm"),
    "rl2-ppo": ("ppo:PPO", "fixed_arm"),
    "reinforce": ("reinforce:Reinforce", "fixed_arm"),
    "reinforce-baseline": ("reinforce:ReinforceBaseline", "fixed_arm"),
    "a2c": ("a2c:A2C", "fixed_arm"),
    "trpo": ("trpo:TRPO", "fixed_arm"),
    "ppg": ("ppg:PPG", "fixed_arm"),
    "dcpg": ("dcpg:DCPG", "fixed_arm"),
    "ddcpg": ("dcpg:DCPG", "fixed_arm"),
}
"""Method -> the loss whose tests are its own, and who selects its augmentation."""


def test_no_method_is_silently_another() -> None:
    """The losses and the selectors have tests of their own; this says which method has which."""
    prefixes = "drac.objectives.", "drac.arms.selectors:"
    found = {
        name: tuple(
            made.removeprefix(prefix)
            for made, prefix in zip((method.objective, method.selector), prefixes, strict=True)
        )
        for name, method in METHODS.items()
    }
    assert found == WIRED
    assert [name for name, method in METHODS.items() if method.chooses_levels] == [
        "plr",
        "ucb-drac+plr",
        "rl2-ppo",
    ]
    assert [name for name, method in METHODS.items() if method.view != Method.view] == [
        "rad-rollout"
    ]


def test_a_hash_is_shown_where_names_would_be_confused() -> None:
    one, other, crop = (resolve("drac", f"{place}")[0] for place in ("a:Dim", "b:Dim", "a:Crop"))
    assert spellings.shown([one, "ppo"]) == {one: "drac-dim", "ppo": "ppo"}
    assert spellings.shown([one, other]) == {one: one, other: other}
    assert spellings.shown([crop, "drac-crop"]) == {crop: crop, "drac-crop": "drac-crop"}
    assert spellings.name(crop) == crop  # drac-crop is another method, here or not
    ends_like_a_hash = resolve("drac", "crop(padding=12345678)")[0]
    assert spellings.name(ends_like_a_hash) == "drac-crop-padding-12345678"

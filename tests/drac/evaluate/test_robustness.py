"""`drac.evaluate.robustness` on real Procgen, with agents whose answers are known; the command."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small_runs import small_run
from torch import Tensor, nn

from drac import cli, methods
from drac.envs import ProcgenVectorEnv
from drac.evaluate import backgrounds, robustness
from drac.evaluate.robustness import COLUMNS, METRICS, VARIANTS, compare, measure, unavailable
from drac.evaluate.variants import PLAIN, SECOND, trajectories
from drac.games import NUM_ACTIONS
from drac.networks import ActorCritic
from drac.networks.lstm import RecurrentActorCritic


class Blind(nn.Module):
    """Answers without a look."""

    def __init__(self) -> None:
        super().__init__()
        self.policy_head = nn.Linear(2, NUM_ACTIONS)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.policy_head(torch.ones(len(obs), 2))
        return logits, torch.full((len(obs),), 3.0)


class Corner(nn.Module):
    """Goes by the brightness of the picture: V is its mean, and so is the logit of action 7."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        mean = obs.mean(dim=(1, 2, 3))
        logits = torch.zeros(len(obs), NUM_ACTIONS)
        logits[:, 7] = self.scale * mean
        return logits, mean


def looked_at(
    agent: Any, game: str, num_envs: int, max_steps: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Trajectories on training levels, with every look at them."""
    generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    with (
        contextlib.closing(ProcgenVectorEnv(game, num_envs, "train", seed=3)) as env,
        contextlib.closing(ProcgenVectorEnv(game, num_envs, "train", seed=3)) as twin,
        torch.inference_mode(),
    ):
        return [*trajectories(agent, env, twin, generator, random, max_steps=max_steps)]


def measured(agent: Any, game: str = "bigfish", **options: Any) -> pd.DataFrame:
    table, _ = measure(agent, game, "train", 3, 2, seed=1, max_steps=25, **options)
    return table.set_index(["metric", "variant"])


def test_an_agent_that_ignores_its_input_is_perfectly_robust() -> None:
    table = measured(Blind())
    for variant in VARIANTS:
        for metric in ("JSD", "value difference"):
            row = table.loc[(metric, variant)]
            assert (row["value"], row["standard_error"]) == (0.0, 0.0)
            assert row["pairs"] > 25


def test_what_is_measured_is_what_two_frames_make_of_the_agent() -> None:
    """The frames again, by hand: played in an env, changed in another."""
    agent, game = Corner(), "starpilot"
    played = looked_at(agent, game, 2, max_steps=12, seed=5)
    assert [len(one[PLAIN].value) for one in played] == [12, 12]  # nobody dies that fast
    with (
        contextlib.closing(ProcgenVectorEnv(game, 2, "train", seed=3)) as env,
        contextlib.closing(ProcgenVectorEnv(game, 2, "train", seed=3)) as twin,
    ):
        obs, _ = env.reset()
        twin.set_state([backgrounds.without_background(state) for state in env.get_state()])
        black, _ = twin.observe()
    for i, one in enumerate(played):
        means = [frame[i].mean(dtype=np.float64) / 255 for frame in (obs, black)]
        assert means[0] != means[1]
        assert one[PLAIN].value[0] == pytest.approx(means[0], rel=1e-5)
        assert one["no-background"].value[0] == pytest.approx(means[1], rel=1e-5)
        found = compare(one, "no-background")
        assert found["value difference"][0] == pytest.approx(abs(means[0] - means[1]), rel=1e-4)
        seven = [1 / (1 + 14 * math.exp(-4 * mean)) for mean in means]
        p, q = ([seven[k], *[(1 - seven[k]) / 14] * 14] for k in (0, 1))
        by_hand = sum(
            (a * math.log(2 * a / (a + b)) + b * math.log(2 * b / (a + b))) / 2
            for a, b in zip(p, q, strict=True)
        )
        assert found["JSD"][0] == pytest.approx(by_hand, rel=1e-3)
        assert not found["identical"].any()
        assert not len(found["cycle-consistency 2-way %"])  # this agent has no features


def test_three_trajectories_have_three_backgrounds() -> None:
    looks = [PLAIN, "background", SECOND, "no-background", "monochrome"]
    for one in looked_at(Blind(), "plunder", 3, max_steps=3):
        assert sorted(one) == sorted(looks)
        assert len({answers.pixels[0] for answers in one.values()}) == len(looks)
        found = compare(one, "background")
        assert {len(values) for values in found.values()} == {3}


def test_identical_looks_differ_in_nothing() -> None:
    agent = ActorCritic(NUM_ACTIONS, hidden_size=16, generator=torch.Generator().manual_seed(2))
    one, _ = looked_at(agent, "bossfight", 2, max_steps=15)
    same = {PLAIN: one[PLAIN], "background": one[PLAIN], SECOND: one[PLAIN]}
    found = compare(same, "background")
    assert found["identical"].all()
    assert not found["JSD"].any()
    assert not found["value difference"].any()
    assert (found["cycle-consistency 2-way %"] == 100).all()
    assert (found["cycle-consistency 3-way %"] == 100).all()
    assert (compare(one, "no-background")["JSD"] > 0).all()


def test_chaser_has_no_other_background_and_says_so() -> None:
    table = measured(Blind(), "chaser")
    other = table.xs("background", level="variant")
    assert other["value"].isna().all()
    assert (other["pairs"] == 0).all()
    assert table.loc[("JSD", "no-background"), "value"] == 0
    assert math.isnan(table.loc[("cycle-consistency 3-way %", "no-background"), "value"])
    assert unavailable("chaser") == {
        "background": "chaser has one background image, so there is no other to show"
    }
    assert unavailable("maze") == {}


def test_the_same_seed_measures_the_same_and_another_another() -> None:
    agent = ActorCritic(NUM_ACTIONS, hidden_size=16, generator=torch.Generator().manual_seed(2))
    first, second = (measure(agent, "maze", "test", 3, 2, 7, max_steps=10) for _ in range(2))
    pd.testing.assert_frame_equal(first[0], second[0])
    assert first[1] == second[1]
    assert tuple(first[0].columns) == COLUMNS
    other, _ = measure(agent, "maze", "test", 3, 2, 8, max_steps=10)
    assert not other["value"].equals(first[0]["value"])
    assert (first[0]["split"] == "test").all()


@pytest.mark.parametrize("counts", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_counts_below_one_are_refused(counts: tuple[int, int, int]) -> None:
    episodes, num_envs, steps = counts
    with pytest.raises(ValueError, match="must be at least 1"):
        measure(Blind(), "maze", "test", episodes, num_envs, max_steps=steps)


def test_a_recurrent_agent_is_refused() -> None:
    with pytest.raises(ValueError, match="a recurrent agent answers to more than single images"):
        measure(RecurrentActorCritic(15, hidden_size=4), "maze", "test", 1, 1)


# The command


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command look at few steps."""
    monkeypatch.setattr(robustness, "MAX_STEPS", 6)


NETWORKS = {
    method.network: name
    for name in reversed(methods.method_ids())
    if not (method := methods.get(name)).recurrent  # those are refused
}
"""One method for each kind of network."""


@pytest.mark.parametrize("method", sorted(NETWORKS.values()))
def test_every_kind_of_network_is_measured(
    method: str, short: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run(tmp_path / "run", method=method, game="dodgeball")
    argv = ["evaluate", str(tmp_path / "run"), "--robustness", "--episodes", "2"]
    assert cli.main([*argv, "--device", "cpu", "--split", "train"]) == 0
    table = pd.read_csv(tmp_path / "run" / "robustness.csv")
    assert tuple(table.columns) == COLUMNS
    assert (table["metric"].isin(METRICS) & (table["split"] == "train")).all()
    assert len(table) == len(METRICS) * len(VARIANTS)
    assert table["value"].notna().all()
    assert table["standard_error"].notna().all()
    assert table["pairs"].between(2, 12).all()
    assert "dodgeball" in capsys.readouterr().out


def test_the_command_measures_both_splits_and_says_how(
    short: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    config = small_run(run, game="chaser")
    argv = ["evaluate", str(run), "--robustness", "--episodes", "2", "--seed", "4"]
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    assert "background: not available: chaser has one background image" in out
    text = (run / "robustness.csv").read_text()
    assert ",NaN," in text
    table = pd.read_csv(run / "robustness.csv")
    assert table["split"].unique().tolist() == ["train", "test"]
    record = json.loads((run / "robustness.json").read_text())
    assert record["step"] == config.rollout_size
    assert record["evaluation"] == {"episodes": 2, "num_envs": 64, "seed": 4, "max_steps": 6}
    assert record["precision"] == "float32"
    assert list(record["metrics"]) == list(METRICS)
    assert "Aytar" in record["sources"]["cycle-consistency"]
    assert cli.main(argv) == 0  # again: the same bytes in the file's place
    assert (run / "robustness.csv").read_text() == text
    assert cli.main([*argv, "--out", str(tmp_path / "a.csv")]) == 0
    assert {"a.csv", "a.json"} < {path.name for path in tmp_path.iterdir()}

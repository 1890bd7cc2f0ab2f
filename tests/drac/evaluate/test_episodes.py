"""Evaluation: a fixed quota per env, so that no episode counts more for being short."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from graph_recorder import Recorder
from gymnasium.vector import VectorEnv
from hypothesis import given
from hypothesis import strategies as st
from real_frames import FRAMES
from scipy import stats
from torch import Tensor

from augmentations import as_float
from drac.cuda_graphs import WARMUP_CALLS
from drac.errors import NonFinite
from drac.evaluate import evaluate
from drac.evaluate.episodes import Episode, Player, play, quotas
from drac.games import NUM_ACTIONS
from drac.networks import ActorCritic
from drac.networks.lstm import RecurrentActorCritic
from drac.networks.rl2 import RL2ActorCritic
from drac.networks.sampling import sample_actions


def uniform_agent(obs: Tensor) -> tuple[Tensor, Tensor]:
    """Random play."""
    return torch.zeros(len(obs), NUM_ACTIONS), torch.zeros(len(obs))


class KnownLengths(VectorEnv):
    """Half of the episodes last 2 steps, half 40; the return is 1 for a short one, else 0."""

    LENGTHS = (2, 40)

    def __init__(self, num_envs: int, seed: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (2, 2, 3), np.uint8)
        self.rng = np.random.default_rng(seed)
        self.lengths = self.draw(num_envs)
        self.time = np.zeros(num_envs, int)
        self.obs = np.zeros((num_envs, 2, 2, 3), np.uint8)

    def draw(self, number: int) -> np.ndarray:
        return self.rng.choice(self.LENGTHS, number)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        return self.obs, {}

    def step(self, actions: np.ndarray) -> Any:
        self.time += 1
        done = self.time == self.lengths
        infos: dict[str, Any] = {}
        if done.any():
            ended = {"r": (self.lengths == 2) * 1.0, "l": self.lengths.copy()}
            infos = {"finished": {**ended, "level_seed": self.lengths.copy()}, "_finished": done}
        self.lengths = np.where(done, self.draw(self.num_envs), self.lengths)
        self.time[done] = 0
        return self.obs, np.zeros(self.num_envs), done, np.zeros_like(done), infos


def play_known(episodes: int, num_envs: int, seed: int) -> list[int]:
    env = KnownLengths(num_envs, seed)
    generator = torch.Generator().manual_seed(seed)
    player = Player(uniform_agent, num_envs, NUM_ACTIONS, generator)
    played = play(player, env, quotas(episodes, num_envs))
    return [episode.length for episode in played]


@pytest.mark.parametrize("num_envs", [1, 64])
def test_short_episodes_do_not_win(num_envs: int) -> None:
    """The same quota on 1 env and on 64 draws from the same distribution of lengths."""
    lengths = [n for seed in range(10) for n in play_known(64, num_envs, seed)]
    short = lengths.count(2)
    assert len(lengths) == 640
    assert stats.binomtest(short, len(lengths), 0.5).pvalue > 0.01, short


def test_taking_the_first_episodes_to_finish_would_be_biased() -> None:
    """The same env, counted the other way: the test above can fail."""
    lengths: list[int] = []
    for seed in range(10):
        env, finished = KnownLengths(64, seed), 0
        while finished < 64:
            _, _, _, _, infos = env.step(np.zeros(64, int))
            if infos:
                lengths += infos["finished"]["l"][infos["_finished"]].tolist()
                finished += int(infos["_finished"].sum())
    assert stats.binomtest(lengths.count(2), len(lengths), 0.5).pvalue < 1e-20


@given(st.integers(0, 300), st.integers(1, 70))
def test_quotas_are_even_and_add_up(episodes: int, num_envs: int) -> None:
    shares = quotas(episodes, num_envs)
    assert sum(shares) == episodes
    assert len(shares) == num_envs
    assert max(shares) - min(shares) <= 1


def test_every_env_plays_its_quota_in_order() -> None:
    env = KnownLengths(3, seed=0)
    calls: list[int] = []
    player = Player(uniform_agent, 3, NUM_ACTIONS, torch.Generator())
    played = play(player, env, [2, 0, 3], on_episode=lambda: calls.append(1))
    assert len(played) == len(calls) == 5
    assert all(episode.episode_return == (episode.length == 2) for episode in played)


def test_a_table_of_real_episodes() -> None:
    table = evaluate(uniform_agent, "coinrun", "train", episodes=5, num_envs=4, seed=3)
    assert list(table.columns) == ["split", "level_seed", "return", "length"]
    assert len(table) == 5
    assert set(table["split"]) == {"train"}
    assert table["level_seed"].between(0, 199).all()
    assert table["return"].isin([0.0, 10.0]).all()
    assert table["length"].between(1, 1000).all()
    again = evaluate(uniform_agent, "coinrun", "train", episodes=5, num_envs=4, seed=3)
    assert table.equals(again)
    other = evaluate(uniform_agent, "coinrun", "train", episodes=5, num_envs=4, seed=4)
    assert not table.equals(other)


def test_the_test_split_is_the_full_distribution_and_a_range_is_named() -> None:
    test = evaluate(uniform_agent, "starpilot", "test", episodes=6, num_envs=6)
    assert (test["level_seed"] > 199).any()
    levels = evaluate(uniform_agent, "starpilot", range(7, 9), episodes=4, num_envs=4)
    assert set(levels["split"]) == {"levels 7-8"}
    assert set(levels["level_seed"]) <= {7, 8}


def test_an_actor_critic_is_an_agent_and_is_left_as_it_was() -> None:
    network = ActorCritic(NUM_ACTIONS, hidden_size=8)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    state = torch.get_rng_state()
    assert len(evaluate(network, "starpilot", "test", episodes=2, num_envs=64)) == 2
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], w) for name, w in network.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_a_network_plays_in_evaluation_mode_and_is_put_back(training: bool) -> None:
    network = ActorCritic(NUM_ACTIONS, hidden_size=8).train(training)
    modes = set()
    network.register_forward_hook(lambda module, *_: modes.add(module.training))
    evaluate(network, "starpilot", "test", episodes=2, num_envs=2)
    assert modes == {False}
    assert network.training == training


@pytest.mark.parametrize(("episodes", "num_envs"), [(0, 1), (1, 0), (-1, 4)])
def test_impossible_counts(episodes: int, num_envs: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        evaluate(uniform_agent, "coinrun", "test", episodes, num_envs)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="unknown game 'coin'"):
        evaluate(uniform_agent, "coin", "test", 1)
    with pytest.raises(ValueError, match="unknown split 'tset'"):
        evaluate(uniform_agent, "coinrun", "tset", 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [ActorCritic, RecurrentActorCritic])
@pytest.mark.parametrize("recorded", [False, True])
def test_what_is_drawn_does_not_depend_on_how_many_rows_are_shown(
    recorded: bool, kind: type[ActorCritic]
) -> None:
    """CUDA's way, all envs at every step, beside the plain one: draw for draw."""
    record = Recorder() if recorded else None
    network = kind(NUM_ACTIONS, hidden_size=16)
    memory = network.initial_memory(8)
    with torch.no_grad():
        network.policy_head.weight.mul_(100)
    generators = [torch.Generator().manual_seed(1) for _ in range(3)]
    few = Player(network, 8, NUM_ACTIONS, generators[0])
    all_rows = Player(network, 8, NUM_ACTIONS, generators[1], fixed=True, record=record)
    drawn = []
    for playing in (range(8), range(8), (0, 2, 3, 6), (0, 2, 3, 6), (2, 3), (3,), (3,), (3,)):
        active = np.array(playing)
        images = torch.from_numpy(FRAMES[active]).permute(0, 3, 1, 2)
        with torch.inference_mode():
            found = few(FRAMES, active)
            np.testing.assert_array_equal(all_rows(FRAMES, active), found)
            shown = {name: value[active] for name, value in memory.items()}
            logits, _, carried = network.advance(as_float(images), shown)
            for name, value in carried.items():
                memory[name][active] = value
            ended = np.arange(8) % 3 == len(drawn) % 3
            rewards = np.arange(8.0)
            few.note(found, rewards, ended)
            all_rows.note(found, rewards, ended)
            network.note(memory, slice(None), found, rewards, ended)
        wanted = sample_actions(logits, generators[2])
        assert found[active].tolist() == wanted.tolist()
        assert not np.delete(found, active).any()
        drawn += wanted.tolist()
    assert len(set(drawn)) > 3
    if record:
        assert (record.recordings, record.replays) == (1, 8 - WARMUP_CALLS)


class Noise(KnownLengths):
    """The same with images and rewards that differ; `told` is what came of each step of env 1."""

    def __init__(self, num_envs: int, seed: int) -> None:
        super().__init__(num_envs, seed)
        self.told: list[tuple[int, float, bool]] = []

    def see(self) -> np.ndarray:
        return self.rng.integers(0, 256, (self.num_envs, 16, 16, 3), np.uint8)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        return self.see(), {}

    def step(self, actions: np.ndarray) -> Any:
        _, _, done, *rest = super().step(actions)
        rewards = self.rng.random(self.num_envs, np.float32)
        self.told.append((actions[1], rewards[1], done[1]))
        return self.see(), rewards, done, *rest


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RecurrentActorCritic, {}),
        (RL2ActorCritic, {"episodes_per_trial": 1}),
        (RL2ActorCritic, {"episodes_per_trial": 2}),
    ],
)
def test_a_recurrent_network_answers_as_in_one_pass_over_all_episodes(
    kind: type[RecurrentActorCritic],
    options: dict[str, int],
    fixed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Env 1 alone plays, four episodes; it is the last of the rows that the network is shown."""
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    network = kind(NUM_ACTIONS, (3, 16, 16), 16, generator=generators[0], **options)
    with torch.no_grad():
        network.policy_head.weight.mul_(100)
        network.lstm.weight_hh.mul_(3)
    images, answers, advance = [], [], network.advance

    def watched(obs: Tensor, memory: dict[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        found = advance(obs, memory)
        images.append(obs[-1].clone())
        answers.append(found[0][-1].clone())
        return found

    monkeypatch.setattr(network, "advance", watched)
    env = Noise(2, seed=0)
    play(Player(network, 2, NUM_ACTIONS, generators[1], fixed=fixed), env, [0, 4])
    actions, rewards, ends = zip((0, 0.0, False), *env.told[:-1], strict=True)
    episode = np.cumsum(ends)
    per_trial = options.get("episodes_per_trial", 1)
    sequence = {
        "firsts": torch.tensor([True, *((np.diff(episode) > 0) & (episode[1:] % per_trial == 0))]),
        "actions": torch.tensor(actions),
        "rewards": torch.tensor(rewards),
        "ends": torch.tensor(ends),
    }
    memory = network.initial_memory(1)
    memory |= {name: value[None] for name, value in sequence.items() if name in memory}
    with torch.no_grad():
        wanted, _ = network(torch.stack(images), **memory)
    torch.testing.assert_close(torch.stack(answers), wanted, rtol=0, atol=1e-5)
    assert episode[-1] == 3


@pytest.mark.parametrize("fixed", [True, False])
def test_a_policy_that_is_nan_ends_the_evaluation_unless_its_env_has_finished(fixed: bool) -> None:
    def broken(obs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.zeros(len(obs), NUM_ACTIONS)
        logits[obs[:, 0, 0, 0] > 0] = float("nan")
        return logits, torch.zeros(len(obs))

    player = Player(broken, 2, NUM_ACTIONS, torch.Generator(), fixed=fixed)
    obs = np.zeros((2, 64, 64, 3), np.uint8)
    obs[1] = 1
    with pytest.raises(NonFinite, match="the policy is NaN"):
        player(obs, np.arange(2))
    player(obs, np.array([0]))


def test_an_episode_is_plain_numbers() -> None:
    player = Player(uniform_agent, 1, NUM_ACTIONS, torch.Generator())
    episode = play(player, KnownLengths(1, 0), [1])[0]
    assert isinstance(episode, Episode)
    assert (type(episode.level_seed), type(episode.episode_return)) == (int, float)

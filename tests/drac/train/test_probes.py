"""Probe environments: tiny images, known answers (after Andy Jones, "Debugging RL", 2021).

Each isolates one part of the agent: a constant reward the value, a delayed one the discount,
a choice the policy, and a distractor the regularization. The whole trainer runs, unchanged.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from procgen_runs import with_defaults

from augmentations import as_float
from drac.config import TrainConfig
from drac.evaluate.episodes import Player
from drac.train import iterate
from drac.train.state import Training

SIZE = 16


class Probe(VectorEnv):
    """Episodes of `length` steps; subclasses say what is seen and what is paid."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    length = 1

    def __init__(self, num_envs: int = 16, seed: int = 0) -> None:
        self.num_envs = num_envs
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(2)
        self.rng = np.random.default_rng(seed)
        self.time = np.zeros(num_envs, int)

    def see(self) -> np.ndarray:
        raise NotImplementedError

    def pay(self, actions: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def begin(self, which: np.ndarray) -> None:
        """Choose what the new episodes of the envs in the mask are about."""

    def get_state(self) -> list[bytes]:
        """There is none: a probe cannot be checkpointed."""
        return [b""] * self.num_envs

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        self.begin(np.ones(self.num_envs, bool))
        return self.see(), {}

    def step(self, actions: np.ndarray) -> Any:
        rewards = self.pay(actions)
        self.time += 1
        done = self.time == self.length
        infos: dict[str, Any] = {}
        if done.any():
            infos["finished"] = {
                "r": np.where(done, rewards, 0.0),
                "l": np.where(done, self.time, 0),
            }
            infos["_finished"] = done
        self.time[done] = 0
        self.begin(done)
        return self.see(), rewards, done, np.zeros_like(done), infos


class Constant(Probe):
    """One picture, one step, reward 1: V = 1."""

    def see(self) -> np.ndarray:
        return np.full((self.num_envs, SIZE, SIZE, 3), 100, np.uint8)

    def pay(self, actions: np.ndarray) -> np.ndarray:
        return np.ones(self.num_envs)


class Delayed(Probe):
    """A dark picture, then a bright one, then reward 1: V(dark) = gamma, V(bright) = 1."""

    length = 2

    def see(self) -> np.ndarray:
        shade = np.where(self.time == 0, 30, 220).astype(np.uint8)
        return np.broadcast_to(shade[:, None, None, None], (self.num_envs, SIZE, SIZE, 3)).copy()

    def pay(self, actions: np.ndarray) -> np.ndarray:
        return (self.time == 1).astype(float)


class Choice(Probe):
    """The upper or the lower half is bright; the action must say which.

    The pay is noisy. Otherwise, once the task is solved, the normalized advantages would be the
    value's tiny errors blown up to unit variance, and unlearn it.
    """

    answer: np.ndarray

    def __init__(self, num_envs: int = 16, seed: int = 0) -> None:
        super().__init__(num_envs, seed)
        self.answer = np.zeros(num_envs, int)

    def begin(self, which: np.ndarray) -> None:
        self.answer = np.where(which, self.rng.integers(0, 2, self.num_envs), self.answer)

    def see(self) -> np.ndarray:
        obs = np.full((self.num_envs, SIZE, SIZE, 3), 60, np.uint8)
        obs[self.answer == 0, : SIZE // 2] = 90
        obs[self.answer == 1, SIZE // 2 :] = 90
        return obs

    def pay(self, actions: np.ndarray) -> np.ndarray:
        return (actions == self.answer) + self.rng.normal(0, 0.3, self.num_envs)


class Clocked(Choice):
    """As `Choice`, with four steps an episode and a square that brightens with time."""

    length = 4

    def see(self) -> np.ndarray:
        obs = super().see()
        obs[:, 6:10, 6:10] = (60 * self.time).astype(np.uint8)[:, None, None, None]
        return obs


class Remembered(Choice):
    """As `Choice`, but what says the answer is shown in the first of three steps alone."""

    length = 3

    def __init__(self, num_envs: int = 16, seed: int = 0) -> None:
        super().__init__(num_envs, seed)
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def see(self) -> np.ndarray:
        blank = np.full((self.num_envs, 8, 8, 3), 60, np.uint8)
        return np.where(self.time[:, None, None, None] == 0, super().see()[:, 4:12, 4:12], blank)

    def pay(self, actions: np.ndarray) -> np.ndarray:
        return super().pay(actions) * (self.time == self.length - 1)


class Tried(Choice):
    """Nothing is to be seen. Trials of two episodes of one step, in which one action pays."""

    def __init__(self, num_envs: int = 16, seed: int = 0) -> None:
        super().__init__(num_envs, seed)
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (4, 4, 3), np.uint8)
        self.begun = np.zeros(num_envs, int)

    def begin(self, which: np.ndarray) -> None:
        super().begin(which & (self.begun % 2 == 0))
        self.begun += which

    def see(self) -> np.ndarray:
        return np.full((self.num_envs, 4, 4, 3), 60, np.uint8)


class Distracted(Choice):
    """As `Choice`, with a white bar at the side that also gives the answer away in training.

    In the unseen variant it stands on the wrong side. Mirroring an image left to right moves the
    bar and keeps the answer: it is the augmentation under which only the answer is invariant.
    """

    def __init__(self, num_envs: int = 16, seed: int = 0, unseen: bool = False) -> None:
        super().__init__(num_envs, seed)
        self.unseen = unseen

    def see(self) -> np.ndarray:
        obs = super().see()
        side = 1 - self.answer if self.unseen else self.answer
        obs[side == 0, :, :4] = 255
        obs[side == 1, :, -4:] = 255
        return obs


def training_on(env: Probe, updates: int, method: str = "ppo", **options: Any) -> Training:
    """Make a small agent for a probe, with rewards left as they are."""
    sizes = {"num_envs": env.num_envs, "num_steps": 32, "minibatches": 4, "hidden_size": 32}
    sizes["steps"] = env.num_envs * 32 * updates
    fixed = {"method": method, "device": "cpu", "precision": "float32"}
    config = TrainConfig(**with_defaults({**sizes, **fixed}, options))
    training = Training(config, env)
    training.normalizer = lambda rewards, dones: rewards.astype(np.float32)  # type: ignore[assignment]
    return training


def trained(env: Probe, updates: int, **options: Any) -> Training:
    training = training_on(env, updates, **{"learning_rate": 1e-3, **options})
    for _ in iterate(training):
        pass
    return training


@torch.inference_mode()
def outputs(training: Training, obs: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return training.network(as_float(torch.from_numpy(obs).permute(0, 3, 1, 2)))


def accuracy(training: Training, env: Choice) -> float:
    """Probability of the right action, averaged over fresh episodes."""
    obs, _ = env.reset()
    logits, _ = outputs(training, obs)
    return float(logits.softmax(1)[torch.arange(env.num_envs), torch.from_numpy(env.answer)].mean())


def late_values(env: Probe, **options: Any) -> list[float]:
    """Mean values of the pictures of an episode, in order, over the last third of training."""
    pictures = type(env)()
    training = training_on(env, updates=30, **options)
    values: list[list[float]] = [[] for _ in range(env.length)]
    for report in iterate(training):
        if report.update > 20:
            for time, of_picture in enumerate(values):
                pictures.time[:] = time
                of_picture.append(outputs(training, pictures.see())[1].mean().item())
    return [float(np.mean(of_picture)) for of_picture in values]


@pytest.mark.full
def test_a_constant_reward_has_the_value_one() -> None:
    assert late_values(Constant()) == [pytest.approx(1.0, abs=0.03)]


@pytest.mark.parametrize("gamma", [0.5, pytest.param(0.9, marks=pytest.mark.full)])
def test_a_delayed_reward_is_discounted_once_and_one_that_comes_at_once_is_not(
    gamma: float,
) -> None:
    delayed, at_once = late_values(Delayed(), gamma=gamma)
    assert delayed == pytest.approx(gamma, abs=0.04)
    assert at_once == pytest.approx(1.0, abs=0.06)


def test_the_better_action_is_learned() -> None:
    training = trained(Choice(), updates=15)
    assert accuracy(training, Choice(64, seed=1)) > 0.95


@pytest.mark.parametrize(
    ("method", "updates", "rate"),
    [
        pytest.param("reinforce", 40, 1e-3, marks=pytest.mark.full),
        pytest.param("reinforce-baseline", 60, 5e-3, marks=pytest.mark.full),
        pytest.param("a2c", 60, 5e-3, marks=pytest.mark.full),
        ("trpo", 15, 1e-3),
    ],
)
def test_policy_gradients_learn_the_better_action(method: str, updates: int, rate: float) -> None:
    training = trained(Choice(), updates, method=method, learning_rate=rate)
    assert accuracy(training, Choice(64, seed=1)) > 0.95


@pytest.mark.full
@pytest.mark.parametrize("method", ["ppg", "dcpg", "ddcpg"])
def test_phasic_methods_learn_the_better_action(method: str) -> None:
    phases = {"phasic_policy_epochs": 3, "phasic_updates": 4, "phasic_epochs": 2}
    training = trained(Clocked(), updates=24, method=method, **phases)
    assert accuracy(training, Clocked(64, seed=1)) > 0.9


@torch.inference_mode()
def remembered(training: Training, env: Remembered) -> float:
    """Probability of the right action in the last step of fresh episodes."""
    obs, _ = env.reset()
    memory = training.network.initial_memory(env.num_envs)
    answer = torch.from_numpy(env.answer)
    for _ in range(env.length):
        images = as_float(torch.from_numpy(obs).permute(0, 3, 1, 2))
        logits, _, carried = training.network.advance(images, memory)
        memory |= carried
        none = np.zeros(env.num_envs, int)
        training.network.note(memory, slice(None), none, none, none.astype(bool))
        obs, *_ = env.step(none)
    return float(logits.softmax(1)[torch.arange(env.num_envs), answer].mean())


@pytest.mark.parametrize(
    ("method", "updates", "least", "most"), [("ppo-lstm", 20, 0.9, 1), ("ppo", 12, 0.4, 0.6)]
)
def test_only_an_agent_that_remembers_answers_when_the_cue_is_gone(
    method: str, updates: int, least: float, most: float
) -> None:
    training = trained(Remembered(), updates, method=method, learning_rate=3e-3)
    assert least <= remembered(training, Remembered(64, seed=1)) <= most


@torch.inference_mode()
def right_by_episode(training: Training, env: Tried) -> list[float]:
    """Share of the first and of the second episodes of trials in which the agent was right."""
    player = Player(training.network, env.num_envs, 2, torch.Generator().manual_seed(0))
    right = []
    obs, _ = env.reset()
    for _ in range(2):
        answer = env.answer
        actions = player(obs, np.arange(env.num_envs))
        right.append(float((actions == answer).mean()))
        obs, rewards, ended, *_ = env.step(actions)
        player.note(actions, rewards, ended)
    return right


@pytest.mark.parametrize(("method", "updates"), [("rl2-ppo", 20), ("ppo-lstm", 5)])
def test_only_rl2_does_better_in_the_second_episode_of_a_trial(
    method: str, updates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can know in the first; the second time it is known, to who remembers the trial."""
    monkeypatch.setattr("drac.envs.trials.Trials.wrap", lambda self, env: env)
    options = {"learning_rate": 3e-3, "entropy_coef": 0}
    training = trained(Tried(), updates, method=method, **options)
    first, second = right_by_episode(training, Tried(256, seed=1))
    assert 0.35 < first < 0.65
    assert second > 0.8 if method == "rl2-ppo" else 0.35 < second < 0.65


@pytest.mark.full
@pytest.mark.parametrize("method", ["daac", "idaac"])
def test_decoupled_networks_learn_the_better_action(method: str) -> None:
    training = trained(Clocked(), updates=16, method=method, idaac_value_epochs=3)
    assert accuracy(training, Clocked(64, seed=1)) > 0.9


@pytest.mark.full
def test_the_value_network_of_its_own_learns_the_value() -> None:
    values = late_values(Constant(), method="daac", idaac_value_epochs=3)
    assert values == [pytest.approx(1.0, abs=0.03)]


@pytest.mark.full
def test_only_the_right_augmentation_removes_a_distractor() -> None:
    """DrAC with the flip beats PPO, and DrAC with another augmentation, on the unseen variant.

    Averaged over the second half of training, since PPO forgets and relearns so small a task.
    """
    seen, unseen = Distracted(64, seed=1), Distracted(64, seed=1, unseen=True)
    scores: dict[str, float] = {}
    for method in ("ppo", "drac-flip", "drac-grayscale"):
        training = training_on(Distracted(), updates=30, method=method)
        late = [
            (accuracy(training, seen), accuracy(training, unseen))
            for report in iterate(training)
            if report.update > 15
        ]
        learned, scores[method] = np.mean(late, axis=0)
        assert learned > 0.75, f"{method} did not learn the task"
    assert scores["drac-flip"] > scores["ppo"] + 0.3, scores
    assert scores["drac-flip"] > scores["drac-grayscale"] + 0.3, scores

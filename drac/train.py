"""Training, from top to bottom: collect, returns, select, update, log, evaluate, checkpoint."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor

import augmentations
from augmentations import Augmentation, as_float
from drac import checkpoint, files, hardware, logs, methods
from drac.config import ConfigError, TrainConfig
from drac.envs import ProcgenVectorEnv, procgen_build
from drac.evaluate import evaluate
from drac.games import NUM_ACTIONS
from drac.learner import Learner, autocast, sample_actions
from drac.logs import RunLog
from drac.networks import ActorCritic
from drac.report import ArmStats, Report
from drac.returns import RewardNormalizer, gae
from drac.rollout import Rollout
from drac.seeding import stream_seed
from drac.signals import Interrupted, stop_requested
from ucb import ArmSelector, FixedArm, SlidingWindowUCB

NO_AUGMENTATION = "none"
"""PPO's only arm."""

EPISODE_WINDOW = 100  # episodes in the running mean of the training return


class Watcher:
    """Follows a training run; every method may be overridden, none has to be."""

    def begun(self, config: TrainConfig, step: int) -> None:
        """The run starts, or continues from `step`."""

    def progress(self, step: float) -> None:
        """`step` environment steps' worth of work is done; called several times a second."""

    def updated(self, report: Report, sps: float) -> None:
        """An update has been logged."""

    def evaluated(self, step: int, split: str, mean_return: float) -> None:
        """A split has been evaluated."""

    def message(self, text: str) -> None:
        """Something the user should read."""


@dataclass(frozen=True)
class TrainResult:
    """Where a run stands when `train` returns.

    `train_return` and `test_return` are the means of the last evaluation's episodes.
    """

    run_dir: Path
    steps: int
    train_return: float
    test_return: float


class Training:
    """All the state of a run between two updates: what a checkpoint holds.

    Args:
        config: with device and precision resolved.
        env: None makes the Procgen env that `config` asks for; tests pass their own, which must
            have `get_state`, `set_state` and `observe` to be checkpointed.
    """

    def __init__(self, config: TrainConfig, env: VectorEnv[Any, Any, Any] | None = None) -> None:
        self.config = config
        seed = config.seed
        # cast: gymnasium does not know get_state, set_state and observe
        self.env = cast(Any, _procgen(config) if env is None else env)
        height, width, channels = self.env.single_observation_space.shape
        self.network = ActorCritic(
            int(self.env.single_action_space.n),
            (channels, height, width),
            config.hidden_size,
            config.residual,
            torch.Generator().manual_seed(stream_seed(seed, "network")),
        ).to(config.device)
        device = torch.device(config.device)

        def generator(name: str, device: torch.device | str = device) -> torch.Generator:
            return torch.Generator(device).manual_seed(stream_seed(seed, name))

        self.policy_generator = generator("policy")
        self.learner = Learner(
            self.network,
            config,
            generator("minibatches", "cpu"),
            generator("augmentation"),
            generator("targets"),
        )
        self.augmentations = build_augmentations(config)
        self.selector = build_selector(config, tuple(self.augmentations))
        self.normalizer = RewardNormalizer(config.num_envs, config.reward_gamma, config.reward_clip)
        self.rollout = Rollout(config.num_steps, config.num_envs, (height, width, channels), device)
        self.obs: NDArray[np.uint8] = self.env.reset()[0]
        self.arm: str | None = None
        self.update = 0
        self.episodes = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=EPISODE_WINDOW)

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return self.update * self.config.rollout_size

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors, numbers, strings, lists and dicts."""
        modules = {name: aug for name, aug in self.augmentations.items() if aug is not None}
        return {
            "network": self.network.state_dict(),
            "learner": self.learner.state_dict(),
            "policy_generator": self.policy_generator.get_state(),
            "selector": self.selector.state_dict(),
            "augmentations": {name: dict(aug.state_dict()) for name, aug in modules.items()},
            "normalizer": self.normalizer.state_dict(),
            "env": [
                torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in self.env.get_state()
            ],
            "arm": self.arm,
            "update": self.update,
            "episodes": self.episodes,
            "recent": [list(episode) for episode in self.recent],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the run goes on as if it had never stopped."""
        self.network.load_state_dict(state["network"])
        self.learner.load_state_dict(state["learner"])
        self.policy_generator.set_state(state["policy_generator"])
        self.selector.load_state_dict(state["selector"])
        for name, module_state in state["augmentations"].items():
            module = self.augmentations[name]
            if module is not None:
                module.load_state_dict(module_state)
        self.normalizer.load_state_dict(state["normalizer"])
        self.env.set_state([tensor.numpy().tobytes() for tensor in state["env"]])
        self.obs = self.env.observe()[0]
        self.arm, self.update, self.episodes = state["arm"], state["update"], state["episodes"]
        self.recent.clear()
        self.recent.extend((value, length) for value, length in state["recent"])


def _procgen(config: TrainConfig) -> ProcgenVectorEnv:
    return ProcgenVectorEnv(
        config.game,
        config.num_envs,
        config.train_levels,
        seed=stream_seed(config.seed, "env"),
        mode=config.mode,
    )


def _to_tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def build_augmentations(config: TrainConfig) -> dict[str, Augmentation | None]:
    """Make the augmentations a run selects from, by the name of their arm."""
    method = methods.family(config.method)
    if not method.regularized:
        return {NO_AUGMENTATION: None}
    specs = (config.augmentation,) if config.augmentation else config.arms
    fidelity: dict[str, dict[str, Any]] = {
        "flip": {"axis": config.flip_axis},
        "cutout-color": {"color_scale": config.cutout_color_scale},
    }
    return {spec: augmentations.make(spec, **fidelity.get(spec, {})) for spec in specs}


def build_selector(config: TrainConfig, arms: tuple[str, ...]) -> ArmSelector:
    """Make the object that chooses the augmentation of each update."""
    if methods.family(config.method).selector == "sliding-window-ucb":
        return SlidingWindowUCB(
            arms, config.ucb_exploration, config.ucb_window, config.ucb_initial, config.ucb_reward
        )
    return FixedArm(arms[0])


@torch.inference_mode()
def collect(training: Training, on_step: Callable[[], None] = lambda: None) -> None:
    """Play one rollout with the current policy: fill in all but advantages and returns."""
    rollout, env, config = training.rollout, training.env, training.config
    raw_rewards = np.empty((config.num_steps, config.num_envs))
    dones = np.empty((config.num_steps, config.num_envs), np.bool_)
    for t in range(config.num_steps):
        rollout.obs[t] = torch.from_numpy(training.obs)
        with autocast(rollout.obs.device, config.precision):
            logits, values = training.network(as_float(rollout.obs[t].permute(0, 3, 1, 2)))
        actions = sample_actions(logits, training.policy_generator)
        rollout.actions[t] = actions
        rollout.values[t] = values
        rollout.log_probs[t] = logits.log_softmax(1).gather(1, actions[:, None]).squeeze(1)
        training.obs, raw_rewards[t], dones[t], _, infos = env.step(actions.cpu().numpy())
        if "episode" in infos:
            ended = infos["_episode"]
            training.episodes += int(ended.sum())
            episode = infos["episode"]
            training.recent.extend(
                zip(episode["r"][ended].tolist(), episode["l"][ended].tolist(), strict=True)
            )
        on_step()
    rollout.rewards.copy_(torch.from_numpy(training.normalizer(raw_rewards, dones)))
    rollout.dones.copy_(torch.from_numpy(dones))


@torch.inference_mode()
def estimate_returns(training: Training) -> float:
    """Fill in advantages and returns; return the reward that the bandit is credited with."""
    rollout, config = training.rollout, training.config
    obs = torch.from_numpy(training.obs).to(rollout.obs.device)
    with autocast(rollout.obs.device, config.precision):
        _, last_value = training.network(as_float(obs.permute(0, 3, 1, 2)))
    advantages, returns = gae(
        rollout.rewards,
        rollout.values,
        rollout.dones,
        last_value,
        config.gamma,
        config.gae_lambda,
    )
    rollout.advantages.copy_(advantages)
    rollout.returns.copy_(returns)
    # The released code averages over T+1 rows, the last of them 0 (docs/fidelity.md, "reward").
    rows = config.num_steps + (config.bandit_reward_rows == "released")
    return float(returns.double().sum() / (rows * config.num_envs))


def iterate(
    training: Training, on_progress: Callable[[float], None] = lambda step: None
) -> Iterator[Report]:
    """Train until `config.num_updates`, yielding a report after every update.

    Between two reports the state may be saved, and evaluations made: they share no random stream.

    Args:
        training: continued from its current update.
        on_progress: called with the (fractional) environment step that the work done amounts to.
    """
    config, learner, selector = training.config, training.learner, training.selector
    while training.update < config.num_updates:
        tick = _ticker(training.step, config, on_progress)
        collect(training, tick)
        reward = estimate_returns(training)
        if training.arm is not None:
            selector.update(training.arm, reward)
        scores = selector.scores()
        training.arm = selector.select()
        augmentation = training.augmentations[training.arm]
        stats = learner.update(training.rollout, augmentation, tick)
        training.update += 1
        counts, means = selector.counts(), selector.means()
        returns, lengths = zip(*training.recent, strict=True) if training.recent else ((), ())
        yield Report(
            step=training.step,
            update=training.update,
            arm=training.arm,
            arms=tuple(
                ArmStats(arm, int(counts[arm]), means[arm], scores[arm]) for arm in selector.arms
            ),
            bandit_reward=reward,
            train_return=float(np.mean(returns)) if returns else None,
            train_length=float(np.mean(lengths)) if lengths else None,
            episodes=training.episodes,
            stats=stats,
        )


def _ticker(
    step: int, config: TrainConfig, on_progress: Callable[[float], None]
) -> Callable[[], None]:
    """Return what to call after each collected step, then after each gradient step, of an update.

    Each call reports the environment steps that the work done so far amounts to.
    """
    share = 0.1  # of an update's time, collecting takes roughly this
    phases = ((share, config.num_steps), (1 - share, config.epochs * config.minibatches))
    parts = iter([share / number for share, number in phases for _ in range(number)])
    done = 0.0

    def tick() -> None:
        nonlocal done
        done += next(parts)
        on_progress(step + config.rollout_size * done)

    return tick


def train(config: TrainConfig, run_dir: Path | str, watcher: Watcher | None = None) -> TrainResult:
    """Train a run, or continue it, in its folder.

    A folder that holds the same config with fewer steps is continued from its last checkpoint.

    Args:
        config: what to train; "auto" is resolved here.
        run_dir: made if needed.
        watcher: is told of everything as it happens.

    Raises:
        ConfigError: before anything is written: the folder holds another config, or cannot be
            written, or the device is absent.
        Interrupted: after a signal; the state was saved and the same call continues.
    """
    run_dir, watcher = Path(run_dir), watcher or Watcher()
    config = prepare(config, run_dir)
    with files.owned(run_dir), stop_requested(watcher.message) as stopping:
        files.write_text(run_dir / "config.json", config.to_json())
        session = Session(Training(config), run_dir, watcher)
        try:
            if session.finished():
                watcher.message(f"{run_dir} is complete: {config.steps} steps and both evaluations")
            for report in iterate(session.training, watcher.progress):
                session.log(report)
                if stopping():
                    session.save()
                    raise Interrupted(f"saved at step {report.step}; the same command continues")
                session.evaluate_and_save_when_due()
            return session.finish()
        finally:
            session.close()


def prepare(config: TrainConfig, run_dir: Path) -> TrainConfig:
    """Resolve "auto" and check, without writing, that the config may run in the folder.

    Raises:
        ConfigError: see `train`.
    """
    files.require_writable(run_dir)
    if (run_dir / "config.json").exists():
        config = config.continue_from(TrainConfig.from_json(run_dir / "config.json"), run_dir)
    return hardware.resolve(config)


def load_agent(run_dir: Path, config: TrainConfig) -> tuple[ActorCritic, int]:
    """Return the network of a run's newest checkpoint, and the step it was saved at.

    Raises:
        ConfigError: if there is no checkpoint, or it does not fit the config.
    """
    path = checkpoint.newest(run_dir)
    if path is None:
        raise ConfigError(f"{run_dir} has no checkpoint yet")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state = checkpoint.load(path, device)["training"]
    network = ActorCritic(NUM_ACTIONS, hidden_size=config.hidden_size, residual=config.residual).to(
        device
    )
    try:
        network.load_state_dict(state["network"])
    except RuntimeError as error:
        raise ConfigError(f"{path} does not fit {run_dir}/config.json: {error}") from None
    return network, int(state["update"]) * config.rollout_size


class Session:
    """One process's work on a run: its logs, evaluations and checkpoints."""

    def __init__(self, training: Training, run_dir: Path, watcher: Watcher) -> None:
        self.training, self.run_dir, self.watcher = training, run_dir, watcher
        self.config = training.config
        state: dict[str, Any] = {}
        saved = checkpoint.newest(run_dir)
        if saved:
            state = checkpoint.load(saved)
            training.load_state_dict(state["training"])
        self.evaluations: dict[str, float] = state.get("evaluations", {})
        self.evaluated_step: int = state.get("evaluated_step", 0)
        self._wall_before: float = state.get("wall_s", 0.0)
        self._begun = self._saved_at = self._updated_at = time.monotonic()
        self._log = RunLog(run_dir, state.get("positions"), training.step)
        facts = hardware.describe(self.config, procgen_build())
        logs.write_meta(run_dir, **facts, wall_s=self.wall_s, steps=training.step)
        watcher.begun(self.config, training.step)

    @property
    def wall_s(self) -> float:
        """Seconds this run has taken so far, over all its sessions."""
        return self._wall_before + time.monotonic() - self._begun

    def finished(self) -> bool:
        """Whether all steps are trained and evaluated."""
        done = self.training.update >= self.config.num_updates
        return done and self.evaluated_step == self.training.step

    def log(self, report: Report) -> None:
        """Write an update to the logs and tell the watcher."""
        now = time.monotonic()
        sps = self.config.rollout_size / max(now - self._updated_at, 1e-9)
        self._updated_at = now
        self._log.update(report, self.wall_s, sps)
        self.watcher.updated(report, sps)

    def evaluate_and_save_when_due(self) -> None:
        """Evaluate every `eval_every` steps, save every `checkpoint_every` minutes."""
        every, step = self.config.eval_every, self.training.step
        last = self.training.update == self.config.num_updates
        if every and not last and step // every > (step - self.config.rollout_size) // every:
            self.evaluate()
        if time.monotonic() - self._saved_at >= 60 * self.config.checkpoint_every:
            self.save()

    def evaluate(self) -> None:
        """Play `eval_episodes` on both splits and log every episode."""
        config, step = self.config, self.training.step
        for split in ("train", "test"):
            episodes = evaluate(
                self.training.network,
                config.game,
                config.train_levels if split == "train" else "test",
                config.eval_episodes,
                config.eval_envs,
                stream_seed(config.seed, "evaluate", split, step),
                mode=config.mode,
                precision=config.precision,
            ).assign(split=split)
            self._log.evaluation(step, episodes)
            self.evaluations[split] = float(episodes["return"].mean())
            self.watcher.evaluated(step, split, self.evaluations[split])
        self.evaluated_step = step
        self._updated_at = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint from which the run continues exactly."""
        state = {
            "training": self.training.state_dict(),
            "evaluations": self.evaluations,
            "evaluated_step": self.evaluated_step,
            "wall_s": self.wall_s,
            "positions": self._log.positions(),
        }
        checkpoint.save(self.run_dir, self.training.step, state)
        logs.write_meta(self.run_dir, wall_s=round(self.wall_s, 3), steps=self.training.step)
        self._saved_at = time.monotonic()

    def finish(self) -> TrainResult:
        """Evaluate the final policy unless that is done, and save."""
        if not self.finished():
            self.save()
            self.evaluate()
            self.save()
        return TrainResult(
            run_dir=self.run_dir,
            steps=self.training.step,
            train_return=self.evaluations["train"],
            test_return=self.evaluations["test"],
        )

    def close(self) -> None:
        """Close logs and envs."""
        self._log.close()
        self.training.env.close()

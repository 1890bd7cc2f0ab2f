"""The state of a run between two updates, and the objects it is wired from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from drac import hardware, methods
from drac.arms.build import build_augmentations
from drac.arms.view import Clean
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Recorder, record_cuda_graph
from drac.envs import ProcgenVectorEnv, levels
from drac.envs.groups import EnvGroups, procgen_groups
from drac.learner import Learner
from drac.networks import ActorCritic
from drac.objectives.objective import make as make_objective
from drac.returns import RewardNormalizer
from drac.rollout import Rollout
from drac.seeding import stream_seed
from drac.timing import Phases, unmeasured
from drac.train.acting import Acting
from ucb import ArmSelector

EPISODE_WINDOW = 100  # episodes in the running mean of the training return


@dataclass(frozen=True)
class Begun:
    """What is known of an update whose gradient steps are not over.

    Attributes:
        reward: mean of the rollout's returns.
        explained_variance: of these returns.
        scores: of the arms, among which was selected.
    """

    reward: float
    explained_variance: float
    scores: dict[str, float]


class Training:
    """All the state of a run between two updates, or in the phase of one: what a checkpoint holds.

    Args:
        config: what is "auto" in it is resolved here.
        env: None makes the Procgen env that `config` asks for; tests pass their own, which must
            have `get_state`, `set_state` and `observe` to be checkpointed.
        record: makes the recordings on CUDA; tests give one that needs no GPU, and get CUDA's path.
    """

    def __init__(
        self,
        config: TrainConfig,
        env: VectorEnv[Any, Any, Any] | None = None,
        record: Recorder | None = None,
    ) -> None:
        self.config = config = hardware.resolve(config)
        seed = config.seed
        self.levels = levels.make(config)
        envs = _procgen(config) if env is None else EnvGroups([env])
        self.env = envs.wrapped(self.levels.wrap)
        height, width, channels = self.env.obs_shape
        method = methods.get(config.method)
        self.network: ActorCritic = method.part("network")(
            config,
            self.env.num_actions,
            (channels, height, width),
            torch.Generator().manual_seed(stream_seed(seed, "network")),
        ).to(config.device)
        if config.compile:
            self.network.compile(dynamic=False)
        device = torch.device(config.device)

        def generator(name: str, device: torch.device | str = device) -> torch.Generator:
            return torch.Generator(device).manual_seed(stream_seed(seed, name))

        self.policy_generator = generator("policy")
        self.learner: Learner = method.part("learner")(
            self.network,
            config,
            generator("minibatches", "cpu"),
            generator("augmentation"),
            generator("targets"),
            make_objective(config),
            **({"record": record} if record else {}),
        )
        self.augmentations = build_augmentations(config)
        self.view: Clean = method.part("view")(
            self.augmentations,
            (config.num_envs, channels, height, width),
            self.learner.augmentation_generator,
        )
        self.selector: ArmSelector = method.part("selector")(config, tuple(self.augmentations))
        self.normalizer = RewardNormalizer(config.num_envs, config.reward_gamma, config.reward_clip)
        self.rollout = Rollout(
            config.num_steps,
            config.num_envs,
            self.env.obs_shape,
            device,
            self.network.initial_memory(config.num_envs),
            self.network.carried,
        )
        self.obs: NDArray[np.uint8] = self.env.reset()
        self.learner.follow(self.env)
        if config.device == "cuda" and config.cuda_graphs:
            record = record or record_cuda_graph
        self.acting = Acting(self.network, config, self.rollout, self.env.rows, self.view, record)
        self.arm: str | None = None
        self.begun: Begun | None = None
        self.update = 0
        self.episodes = 0
        self.ended = np.zeros(config.num_envs, np.bool_)
        self.skipped_steps = 0
        self.recent: deque[tuple[float, int]] = deque(maxlen=EPISODE_WINDOW)
        self.phases: Phases = unmeasured

    @property
    def step(self) -> int:
        """Environment steps so far."""
        return self.update * self.config.rollout_size

    @property
    def recorded(self) -> tuple[Captured, ...]:
        """What CUDA is to record: acting, and the learner's steps; nothing elsewhere."""
        return self.acting.recorded + self.learner.recorded

    def measure(self, phases: Phases) -> None:
        """Have `phases` told from now on what the time is spent on."""
        self.phases = self.learner.phases = phases

    def count_episodes(self, infos: dict[str, Any], rows: slice) -> None:
        """Take note of the episodes of the envs in `rows` that ended, in the order of envs."""
        if "finished" not in infos:
            return
        ended, episode = infos["_finished"], infos["finished"]
        self.episodes += int(ended.sum())
        self.ended[rows] |= ended
        self.recent.extend(
            zip(episode["r"][ended].tolist(), episode["l"][ended].tolist(), strict=True)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors, numbers, strings, lists and dicts."""
        modules = {name: aug for name, aug in self.augmentations.items() if aug is not None}
        return {
            "network": self.network.state_dict(),
            "learner": self.learner.state_dict(),
            "memory": self.acting.memory,
            "policy_generator": self.policy_generator.get_state(),
            "selector": self.selector.state_dict(),
            "levels": self.levels.state_dict(),
            "augmentations": {name: dict(aug.state_dict()) for name, aug in modules.items()},
            "normalizer": self.normalizer.state_dict(),
            "env": [
                torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in self.env.get_state()
            ],
            "arm": self.arm,
            "begun": self.begun and vars(self.begun),
            "update": self.update,
            "episodes": self.episodes,
            "ended": self.ended.tolist(),
            "skipped_steps": self.skipped_steps,
            "recent": [list(episode) for episode in self.recent],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the run goes on as if it had never stopped."""
        self.network.load_state_dict(state["network"])
        self.learner.load_state_dict(state["learner"])
        for name, value in self.acting.memory.items():
            value.copy_(state["memory"][name])
        self.policy_generator.set_state(state["policy_generator"])
        self.selector.load_state_dict(state["selector"])
        self.levels.load_state_dict(state["levels"])
        for name, module_state in state["augmentations"].items():
            module = self.augmentations[name]
            if module is not None:
                module.load_state_dict(module_state)
        self.normalizer.load_state_dict(state["normalizer"])
        self.env.set_state([tensor.numpy().tobytes() for tensor in state["env"]])
        self.obs = self.env.observe()
        self.arm, self.update, self.episodes = state["arm"], state["update"], state["episodes"]
        self.begun = Begun(**state["begun"]) if state.get("begun") else None
        self.ended[:] = state.get("ended", True)  # earlier versions took no note, and mark nothing
        self.skipped_steps = state["skipped_steps"]
        self.recent.clear()
        self.recent.extend((value, length) for value, length in state["recent"])


def _procgen(config: TrainConfig) -> EnvGroups:
    groups = int(config.env_groups)
    env = ProcgenVectorEnv(
        config.game,
        config.num_envs,
        config.train_levels,
        seed=stream_seed(config.seed, "env"),
        mode=config.mode,
        num_threads=hardware.procgen_threads(config),
    )
    return procgen_groups(env, groups)

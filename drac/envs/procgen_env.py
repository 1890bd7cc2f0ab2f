"""Procgen as a gymnasium vector environment. The only module that imports procgen."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from importlib import metadata
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from augmentations.arguments import unknown
from drac.envs.system_libraries import named_if_missing
from drac.games import EXPLORATION_LEVELS, GAMES, NUM_ACTIONS, Mode, require_mode
from drac.seeding import stream_seed

# gym prints a notice about its successor whenever something imports it; procgen does.
with contextlib.redirect_stderr(io.StringIO()):
    from procgen import ProcgenGym3Env

Split = Literal["train", "test"] | range

TRAIN_LEVELS = range(200)
"""The paper's training levels."""

_MAX_STATE_BYTES = 2**20
_Infos = dict[str, Any]
_Step = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], _Infos]


def procgen_build() -> str:
    """Name and version of the installed Procgen distribution, e.g. "procgen-mirror 0.10.7"."""
    for name in ("procgen", "procgen-mirror"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{name} {metadata.version(name)}"
    return "unknown"


def level_range(split: Split) -> tuple[int, int]:
    """Return Procgen's (start_level, num_levels) of a split; (0, 0) is the full distribution.

    Raises:
        ValueError: for another name, or a range that is empty, negative or has gaps.
    """
    if split == "train":
        split = TRAIN_LEVELS
    if split == "test":
        return 0, 0
    if not isinstance(split, range):
        raise ValueError(f"unknown split {split!r}: choose 'train', 'test' or a range of levels")
    if not split or split.step != 1 or split[0] < 0 or split[-1] >= 2**31 - 1:
        raise ValueError(f"levels {split!r} must be a non-empty range of step 1 from 0 upwards")
    return split.start, len(split)


def _exploration_level(game: str, split: Split) -> range:
    level = EXPLORATION_LEVELS[game]
    only = range(level, level + 1)
    if split not in ("train", "test", only):
        raise ValueError(f"{game}'s exploration mode has one level, {level}, not {split!r}")
    return only


def _checked(seed: int) -> int:
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed must be in 0..{2**31 - 1}, not {seed}")
    return seed


class ProcgenVectorEnv(VectorEnv[NDArray[np.uint8], NDArray[np.integer[Any]], NDArray[Any]]):
    """`num_envs` copies of one game, stepped by Procgen's own threads.

    Observations are uint8 `(N, 64, 64, 3)`, actions integers in 0..14.

    Procgen starts the next episode inside the step that ends one (`AutoresetMode.SAME_STEP`) and
    keeps no final observation: the observation after an episode's end is the next episode's first.
    It does not tell a time limit from an end, so `truncated` is always False.

    `infos["level_seed"]` holds the level each env is now in, and after a step
    `infos["prev_level_seed"]` the one in which the step was taken. Where an episode just ended,
    `infos["_finished"]` is True and `infos["finished"]` has its raw return `r`, length `l` in steps
    and `level_seed`, each of shape `(N,)`.

    Args:
        game: one of `drac.games.GAMES`.
        num_envs: N.
        split: "train" (levels 0..199), "test" (the full distribution) or a range of levels.
        seed: decides the order of levels and everything random inside them; 0..2**31-1.
        mode: Procgen's distribution mode. Exploration has one level a game, which all splits are.
        num_threads: Procgen's worker threads; the results do not depend on it.
        render_mode: "rgb_array" has Procgen draw large pictures too, for `render`.

    Raises:
        ValueError: for an unknown game, split or mode, a mode that the game has not, a seed out of
            range, or too few envs.
        ConfigError: if the system lacks a library that Procgen needs.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - gymnasium declares it so
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": 15,  # as in Procgen's own videos: one frame a step
    }

    def __init__(
        self,
        game: str,
        num_envs: int,
        split: Split = "train",
        seed: int = 0,
        mode: Mode = "easy",
        num_threads: int = 2,
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        if game not in GAMES:
            raise ValueError(unknown("game", game, GAMES))
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        require_mode(game, mode)
        if num_threads < 0:
            raise ValueError(f"num_threads must be at least 0, not {num_threads}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"unknown render_mode {render_mode!r}: choose None or 'rgb_array'")
        self.game, self.num_envs, self.render_mode = game, num_envs, render_mode
        if mode == "exploration":
            split = _exploration_level(game, split)
        self._start_level, self._num_levels = level_range(split)
        self._mode, self._num_threads = mode, num_threads
        self._seed, self._resets = _checked(seed), 0
        self.single_observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.single_action_space = gymnasium.spaces.Discrete(NUM_ACTIONS)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs, np.int64)
        self._pristine = True
        self._env = self._make(seed)

    @property
    def levels(self) -> range | None:
        """The levels that are played, or None for the full distribution."""
        last = self._start_level + self._num_levels
        return range(self._start_level, last) if self._num_levels else None

    def initial_state(self, level: int) -> bytes:
        """Return the state in which an episode in a level begins, fit for `set_state`.

        What follows an episode begun with it is another one in the same level.
        """
        split = range(level, level + 1)
        env = ProcgenVectorEnv(self.game, 1, split, mode=self._mode, num_threads=0)
        try:
            return env.get_state()[0]
        finally:
            env.close()

    def smaller(self, states: Sequence[bytes]) -> ProcgenVectorEnv:
        """Return an env of the same kind whose envs, and its first reset, begin with `states`."""
        env = ProcgenVectorEnv(
            self.game, len(states), self.levels or "test", self._seed, self._mode, self._num_threads
        )
        env.set_state(states)
        env._pristine = True
        return env

    def _make(self, seed: int) -> ProcgenGym3Env:
        with named_if_missing():
            env = ProcgenGym3Env(
                num=self.num_envs,
                env_name=self.game,
                num_levels=self._num_levels,
                start_level=self._start_level,
                distribution_mode="hard" if self._mode == "exploration" else self._mode,
                rand_seed=seed,
                num_threads=self._num_threads,
                render_mode=self.render_mode,
            )
        # Looked up now, for which cffi takes a lock: the garbage collector may close an env that
        # nobody has closed while another is made under that lock, and would wait for it forever.
        env._c_lib.libenv_close  # noqa: B018
        return env

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], _Infos]:
        """Start every env anew and return `(observations, infos)`.

        The first reset uses the seed given at construction, later ones a seed derived from it;
        `seed` replaces that seed for this and all later resets.

        Raises:
            ValueError: for a list of seeds or options, neither of which Procgen has.
        """
        self._require_open()
        if isinstance(seed, list):
            raise ValueError("Procgen seeds all envs with one number; got a list of seeds")
        if options:
            raise ValueError(f"Procgen has no reset options; got {sorted(options)}")
        if seed is not None:
            self._seed, self._resets, self._pristine = _checked(seed), 0, False
        if not self._pristine:
            self._env.close()
            seed = stream_seed(self._seed, "reset", self._resets) if self._resets else self._seed
            self._env = self._make(seed)
        self._pristine = False
        self._resets += 1
        self._returns[:] = 0
        self._lengths[:] = 0
        _, obs, _ = self._env.observe()
        return obs["rgb"], {"level_seed": self._level_seeds("level_seed")}

    def step(self, actions: NDArray[np.integer[Any]]) -> _Step:
        """Step every env; see the class for what `infos` holds.

        Raises:
            ValueError: if `actions` are not N integers in 0..14.
        """
        self.send(actions)
        return self.receive()

    def send(self, actions: NDArray[np.integer[Any]]) -> None:
        """Begin a step in Procgen's threads; `receive` must follow.

        Raises:
            ValueError: if `actions` are not N integers in 0..14.
        """
        self._require_open()
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise ValueError(
                f"actions must be {self.num_envs} integers, not {actions.dtype} {actions.shape}"
            )
        if actions.min() < 0 or actions.max() >= NUM_ACTIONS:
            raise ValueError(f"actions must be in 0..{NUM_ACTIONS - 1}; got {actions.tolist()}")
        self._pristine = False
        self._env.act(actions)

    def receive(self) -> _Step:
        """Wait for the step that `send` began and return what `step` returns."""
        rewards, obs, first = self._env.observe()
        self._returns += rewards
        self._lengths += 1
        infos: _Infos = {key: self._level_seeds(key) for key in ("level_seed", "prev_level_seed")}
        if first.any():
            infos["finished"] = {
                "r": np.where(first, self._returns, 0.0),
                "l": np.where(first, self._lengths, 0),
                "level_seed": infos["prev_level_seed"],
            }
            infos["_finished"] = first.copy()
            self._returns[first] = 0
            self._lengths[first] = 0
        return obs["rgb"], rewards, first, np.zeros_like(first), infos

    def _level_seeds(self, key: str) -> NDArray[np.int64]:
        # gym3's get_info makes a dict for each env; this is the array it makes them from.
        return np.array(self._env._info[key], np.int64)

    def get_state(self) -> list[bytes]:
        """Return the exact state of every env, about 23 KB each, running returns included."""
        self._require_open()
        buffer = self._env._ffi.new(f"char[{_MAX_STATE_BYTES}]")
        states = []
        for index in range(self.num_envs):
            size = self._env.call_c_func("get_state", index, buffer, _MAX_STATE_BYTES)
            episode = np.array([self._returns[index], self._lengths[index]], "<f8").tobytes()
            states.append(episode + bytes(self._env._ffi.buffer(buffer, size)))
        return states

    def set_state(self, states: Sequence[bytes], indices: Sequence[int] | None = None) -> None:
        """Restore states made by `get_state`, into all envs or into those named by `indices`.

        Raises:
            ValueError: if the number of states does not fit, or a state is none of this game.
        """
        self._require_open()
        slots = range(self.num_envs) if indices is None else indices
        if len(states) != len(slots):
            raise ValueError(f"{len(states)} states were given for {len(slots)} envs")
        # Procgen's version and the game; with others it would abort the process.
        name = self.game.encode()
        head = b"\0\0\0\0" + len(name).to_bytes(4, "little") + name
        for index, state in zip(slots, states, strict=True):
            if not 0 <= index < self.num_envs:
                raise ValueError(f"env index {index} is not in 0..{self.num_envs - 1}")
            if not state.startswith(head, 16):
                raise ValueError(f"what was given for env {index} is no state of {self.game}")
        self._pristine = False
        for index, state in zip(slots, states, strict=True):
            self._returns[index], length = np.frombuffer(state[:16], "<f8")
            self._lengths[index] = int(length)
            self._env.call_c_func("set_state", index, state[16:], len(state) - 16)

    def observe(self) -> tuple[NDArray[np.uint8], _Infos]:
        """Return what the envs show now, without stepping: `(observations, infos)`."""
        self._require_open()
        _, obs, _ = self._env.observe()
        return obs["rgb"], {"level_seed": self._level_seeds("level_seed")}

    def render(self) -> tuple[NDArray[np.uint8], ...]:
        """Return what a person would see: uint8 (512, 512, 3) of each env."""
        self._require_open()
        if self.render_mode is None:
            raise ValueError("these envs draw no pictures: make them with render_mode='rgb_array'")
        self._env.observe()
        return tuple(picture.copy() for picture in self._env._info["rgb"])

    def _require_open(self) -> None:
        if self.closed:
            raise gymnasium.error.ClosedEnvironmentError(f"this {self.game} env is closed")

    def close_extras(self, **kwargs: Any) -> None:
        """Free Procgen's memory and threads."""
        self._env.close()

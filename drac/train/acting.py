"""How a rollout's actions are chosen: frames go to the device, actions come back."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drac.arms.view import Clean
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Function, Recorder, Tensors
from drac.networks import ActorCritic
from drac.networks.sampling import act
from drac.rollout import Rollout


class Acting:
    """Serves groups of envs with actions; keeps in the rollout what was seen and done.

    A group is launched, then its actions are fetched; on CUDA others may be launched between the
    two. There a group's frames and actions pass through pinned memory of its own, and what the
    network does is recorded together with what it writes into the rollout.

    Args:
        network: the policy; it is read when a rollout begins.
        config: its precision: with "bf16" the weights are cast once a rollout, not at every step.
        rollout: filled in.
        groups: which of the N envs are in each group.
        view: what the network is shown of frames.
        record: makes the recordings; None: nothing is recorded.

    Attributes:
        memory: what the network remembers of the N envs; nothing, of one that is not recurrent.
        act: chooses actions, `drac.networks.sampling.act` with the network.
        recorded: what is recorded, a part for each group; empty without `record`.
    """

    def __init__(
        self,
        network: ActorCritic,
        config: TrainConfig,
        rollout: Rollout,
        groups: Sequence[slice],
        view: Clean,
        record: Recorder | None = None,
    ) -> None:
        self._source, self._rollout = network, rollout
        self._as_it_is = type(view).__call__ is Clean.__call__  # then nobody asks it
        self._groups, self._view = groups, view
        self._network = network
        self.memory = network.initial_memory(config.num_envs)
        if config.precision == "bf16":
            self._network = _with_bf16_weights(network)
            if config.compile:  # a copy is as it was before
                self._network.compile(dynamic=False)
        self.act: Function = partial(act, self._network, config.precision)
        self.recorded: tuple[Captured, ...] = ()
        self._serve: list[Function] = [partial(self._served, group) for group in range(len(groups))]
        if record:
            self.recorded = tuple(Captured(serve, record) for serve in self._serve)
            self._serve = list(self.recorded)
        device = rollout.obs.device
        self._on_cuda = device.type == "cuda"
        self._steps = torch.arange(config.num_steps, device=device)
        self._noise = torch.empty(config.num_envs, network.policy_head.out_features, device=device)
        self._frames = [self._host(rollout.obs[0, rows]) for rows in groups]
        self._shown = [torch.empty_like(rollout.obs[0, rows]) for rows in groups]
        self._actions = [self._host(rollout.actions[0, rows]) for rows in groups]
        self._fetched = [torch.cuda.Event() for _ in groups] if self._on_cuda else []

    def _host(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=self._on_cuda)

    def begin(self) -> None:
        """Take over the network's weights, note what it remembers: a rollout begins."""
        self._view.begin()
        for name, value in self._rollout.begun.items():
            value.copy_(self.memory[name])
        if self._network is self._source:
            return
        pairs = zip(_tensors(self._network), _tensors(self._source), strict=True)
        for mine, its in pairs:
            mine.copy_(its)
        self._network.train(self._source.training)

    def draw(self, generator: torch.Generator) -> None:
        """Draw the noise of all envs' next actions, as `draw_noise` does; before any is served."""
        self._noise.exponential_(generator=generator)

    def launch(self, group: int, t: int, frames: NDArray[np.uint8]) -> None:
        """Have the network look at a group's frames, in step t of the rollout.

        Args:
            group: the number of the group, of n envs; its actions must have been fetched before.
            t: the step, for which noise has been drawn.
            frames: (n, H, W, 3).
        """
        host = self._frames[group]
        host.numpy()[...] = frames
        if not self._as_it_is:
            obs = host.to(self._shown[group].device, non_blocking=True)
            self._shown[group].copy_(self._view(obs, self._groups[group]))
        self._serve[group]({"t": self._steps[t : t + 1]})
        if self._on_cuda:
            self._fetched[group].record()

    def actions(self, group: int) -> NDArray[np.int64]:
        """Return the actions (n,) of the group that was launched, when the device has them."""
        if self._on_cuda:
            self._fetched[group].synchronize()
        actions: NDArray[np.int64] = self._actions[group].numpy()
        return actions

    def note(self, group: int, rewards: NDArray[Any], ended: NDArray[np.bool_]) -> None:
        """Have the network remember what came of a group's step; see its `note`."""
        actions = self._actions[group].numpy()
        self._source.note(self.memory, self._groups[group], actions, rewards, ended)

    def ends(self) -> Tensor:
        """Return (T, N) bool: after which steps of the rollout the agent remembers nothing.

        Returns end there: with episodes, unless it remembers through several.
        """
        if "firsts" not in self.memory:
            return self._rollout.dones
        return torch.cat([self._rollout.given["firsts"][1:], self.memory["firsts"][None]])

    def _served(self, group: int, inputs: Tensors) -> Tensors:
        """Fetch the frames of a group, choose actions, write row `t` (1,) of the rollout.

        What is read and written besides stays where it is, so that a recording has all of it.
        """
        rows, obs = self._groups[group], self._shown[group]
        if self._as_it_is:
            obs.copy_(self._frames[group], non_blocking=True)
        memory = {name: value[rows] for name, value in self.memory.items()}
        acted = self.act({"obs": obs, "noise": self._noise[rows], **memory})
        for name, kept in self._rollout.given.items():
            kept[:, rows].index_copy_(0, inputs["t"], memory[name][None])
        for name in self._rollout.begun:
            memory[name].copy_(acted.pop(name))
        for name, value in {"obs": obs, **acted}.items():
            kept = getattr(self._rollout, name)[:, rows]
            kept.index_copy_(0, inputs["t"], value[None].to(kept.dtype))
        self._actions[group].copy_(acted["actions"], non_blocking=True)
        return {}


def _with_bf16_weights(network: ActorCritic) -> ActorCritic:
    """Return a copy whose layers hold the weights that autocast would give them: bit for bit."""
    copied = copy.deepcopy(network).requires_grad_(False)
    for module in copied.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)
    return copied


def _tensors(network: nn.Module) -> chain[Tensor]:
    return chain(network.parameters(), network.buffers())

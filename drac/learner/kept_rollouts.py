"""The rollouts since the last auxiliary phase; a run that continues plays their frames again."""

from __future__ import annotations

from typing import Any

import torch

from drac.config import TrainConfig
from drac.envs.groups import EnvGroups
from drac.rollout import Rollout


class KeptRollouts:
    """Up to `phasic_updates` rollouts, of which frames, actions and returns are kept.

    Frames are uint8. The state holds what the envs began in, actions and returns in their place.

    Args:
        config: sizes of the rollouts.
        device: where they are kept.

    Attributes:
        number: how many there are.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        self.number = 0
        self._envs: EnvGroups | None = None
        self._begun: list[bytes] = []
        self._rollouts: Rollout | None = None

    def follow(self, envs: EnvGroups) -> None:
        """Take note of the envs that the rollouts are played on, before the first of them."""
        self._envs = envs
        self._begun = envs.get_state()

    @property
    def full(self) -> bool:
        """Whether there are all that an auxiliary phase is made of."""
        return self.number == self._config.phasic_updates

    def add(self, rollout: Rollout) -> None:
        """Keep one more."""
        columns = self.columns(rollout.obs.shape[2:])
        for name in ("obs", "actions", "returns"):
            getattr(columns, name)[:, self._place(self.number)] = getattr(rollout, name)
        self.number += 1

    def clear(self) -> None:
        """Begin anew: the next rollout is the first."""
        self.number = 0
        if self._envs is not None:
            self._begun = self._envs.get_state()

    def columns(self, obs_shape: tuple[int, ...] = ()) -> Rollout:
        """Return them as one, a rollout's N envs beside the next's; made when first asked for."""
        if self._rollouts is None:
            config = self._config
            columns = config.phasic_updates * config.num_envs
            self._rollouts = Rollout(config.num_steps, columns, obs_shape, self._device)
        return self._rollouts

    def _place(self, rollout: int) -> slice:
        return slice(rollout * self._config.num_envs, (rollout + 1) * self._config.num_envs)

    def state_dict(self) -> dict[str, Any]:
        """Return what the frames can be played again from."""
        state: dict[str, Any] = {
            "kept": self.number,
            "begun": [torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in self._begun],
        }
        if self._rollouts is not None and self.number:
            columns = slice(self.number * self._config.num_envs)
            state["actions"] = self._rollouts.actions[:, columns].to(torch.uint8).contiguous()
            state["returns"] = self._rollouts.returns[:, columns].contiguous()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the envs of `follow` play the frames again.

        They stand where the last of the rollouts ended then.

        Raises:
            ValueError: if there are no envs.
        """
        self.number = state["kept"]
        self._begun = [tensor.cpu().numpy().tobytes() for tensor in state["begun"]]
        if not self.number:
            return
        if self._envs is None:
            raise ValueError("frames are to be played again, and there are no envs")
        kept = slice(self.number * self._config.num_envs)
        columns = self.columns(self._envs.obs_shape)
        columns.actions[:, kept] = state["actions"].to(columns.actions)
        columns.returns[:, kept] = state["returns"].to(columns.returns)
        self._play_again(self._envs, columns)

    def _play_again(self, envs: EnvGroups, columns: Rollout) -> None:
        actions = columns.actions.cpu().numpy()
        envs.set_state(self._begun)
        obs = envs.observe()
        for rollout in range(self.number):
            place = self._place(rollout)
            for t in range(self._config.num_steps):
                columns.obs[t, place] = torch.from_numpy(obs)
                for group, rows in enumerate(envs.rows):
                    envs.send(group, actions[t, place][rows])
                for group, rows in enumerate(envs.rows):
                    obs[rows] = envs.receive(group)[0]

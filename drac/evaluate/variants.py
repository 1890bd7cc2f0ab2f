"""An agent is shown what it comes upon, and the same in other looks: what it answers to each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from augmentations import as_float
from drac.envs import ProcgenVectorEnv
from drac.evaluate import backgrounds
from drac.networks.remembering import Agent
from drac.networks.sampling import sample_actions

PLAIN = "plain"
"""The look of what was played."""

SECOND = "second background"
"""A third trajectory for the 3-way cycle-consistency of the look "background"."""

_Look = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Answers:
    """What an agent made of some observations, in order; the first dimension of all is T.

    Attributes:
        policy: (T, A) probabilities.
        value: (T,).
        features: (T, D) what `policy_head` saw; (T, 0) for an agent without one.
        pixels: what was shown, one hash an observation.
    """

    policy: NDArray[np.float64]
    value: NDArray[np.float64]
    features: NDArray[np.float32]
    pixels: NDArray[np.int64]


Trajectory = Mapping[str, Answers]
"""By look: "plain", the variants, and `SECOND` if there is one."""


@contextlib.contextmanager
def _penultimate(agent: Agent) -> Iterator[list[Tensor]]:
    """Collect what an agent's `policy_head` is given, as long as the context lasts."""
    seen: list[Tensor] = []
    head = getattr(agent, "policy_head", None)
    if not isinstance(head, nn.Module):
        yield seen
        return
    hook = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


@dataclass
class _Asker:
    """Shows frames to an agent."""

    agent: Agent
    device: torch.device
    logits: Tensor = field(init=False)
    """Of the last frames, (B, A) float32."""

    def ask(self, frames: NDArray[np.uint8]) -> Answers:
        """Return what the agent makes of frames (B, H, W, 3)."""
        images = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2)
        with _penultimate(self.agent) as seen:
            logits, values = self.agent(as_float(images))
        self.logits = logits.float()
        features = logits.new_zeros(len(frames), 0)
        if seen:  # several, of a policy that is a mean over passes (rand-fm): the mean of them too
            features = torch.stack(seen).mean(dim=0)
        return Answers(
            policy=logits.double().softmax(dim=1).cpu().numpy(),
            value=values.double().cpu().numpy(),
            features=features.cpu().numpy(),
            pixels=np.array([hash(frame.tobytes()) for frame in frames], np.int64),
        )


def _looks(
    states: Sequence[bytes], game: str, random: np.random.Generator
) -> list[dict[str, _Look]]:
    """Choose for each env how its next trajectory is drawn besides as it is."""
    number = backgrounds.NUM_BACKGROUNDS[game]
    chosen = []
    for state in states:
        others = [k for k in range(number) if k != backgrounds.background(state)]
        drawn = random.permutation(others)[:2]
        looks: dict[str, _Look] = {
            "no-background": backgrounds.without_background,
            "monochrome": backgrounds.monochrome,
        }
        for name, index in zip(("background", SECOND), drawn, strict=False):
            looks[name] = _with_background(game, int(index))
        chosen.append(looks)
    return chosen


def _with_background(game: str, index: int) -> _Look:
    return lambda state: backgrounds.with_background(state, game, index)


def trajectories(
    agent: Agent,
    env: ProcgenVectorEnv,
    twin: ProcgenVectorEnv,
    generator: torch.Generator,
    random: np.random.Generator,
    *,
    max_steps: int,
) -> Iterator[Trajectory]:
    """Play one episode in each env, with sampled actions, and see each situation in every look.

    Args:
        agent: the policy.
        env: N envs, reset here.
        twin: N envs of the same kind, in which the other looks are drawn.
        generator: of the actions, on the agent's device.
        random: chooses the backgrounds.
        max_steps: of an episode, after which it is left.

    Yields:
        N trajectories, in the order in which they end.
    """
    obs, _ = env.reset()
    asker = _Asker(agent, generator.device)
    looks = _looks(env.get_state(), env.game, random)
    told: list[dict[str, list[Answers]]] = [
        {name: [] for name in (PLAIN, *looks[i])} for i in range(env.num_envs)
    ]
    active = np.arange(env.num_envs)
    for step in range(1, max_steps + 1):
        _tell(told, active, PLAIN, asker.ask(obs[active]))
        actions = np.zeros(env.num_envs, np.int64)
        actions[active] = sample_actions(asker.logits, generator).cpu().numpy()
        states = env.get_state()
        for name in looks[0]:
            twin.set_state([looks[i][name](states[i]) for i in active], active.tolist())
            _tell(told, active, name, asker.ask(twin.observe()[0][active]))
        obs, _, ended, _, _ = env.step(actions)
        over = ended | (step == max_steps)
        yield from (_joined(told[i]) for i in active[over[active]])
        for i in active[over[active]]:
            told[i].clear()
        active = active[~over[active]]
        if not len(active):
            return


def _tell(
    told: list[dict[str, list[Answers]]], active: NDArray[np.intp], name: str, answers: Answers
) -> None:
    for row, i in enumerate(active):
        one = {key: value[row : row + 1] for key, value in vars(answers).items()}
        told[i][name].append(Answers(**one))


def _joined(told: Mapping[str, Sequence[Answers]]) -> Trajectory:
    names = ("policy", "value", "features", "pixels")
    return {
        look: Answers(**{n: np.concatenate([getattr(a, n) for a in answers]) for n in names})
        for look, answers in told.items()
    }

"""RL^2 as a selector: a recurrent policy chooses the augmentation, and is trained while it does.

`RecurrentPolicy` is the network; `RL2Selector` is how it is used within one run, which is one long
task. `benchmark.bandits.rl2_training` trains the same network over many tasks, the setting that
RL^2 was made for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from drac.errors import NonFinite
from ucb import BaseSelector
from ucb.moments import RunningMoments

RewardInput = Literal["latest", "previous"]


class RecurrentPolicy(nn.Module):
    """A GRU over (last reward, one-hot last arm), with a policy head and a value head.

        h' = GRU([r, onehot(a)], h),   logits = W tanh(V tanh(U h')),   value likewise

    The released code's network, of its `MLPBase` with `recurrent=True`: orthogonal weights (GRU
    gain 1, tanh layers sqrt 2, logits 0.01, value 1), every bias 0.

    Args:
        num_arms: K.
        hidden_size: H, of the GRU and of the tanh layers.
        generator: of the initial weights.
    """

    def __init__(self, num_arms: int, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.num_arms, self.hidden_size = num_arms, hidden_size
        # torch's layers draw weights from the global generator when made; ours replace them.
        with torch.random.fork_rng(devices=[]):
            self.gru = nn.GRU(1 + num_arms, hidden_size)
            self.actor = _tower(hidden_size, num_arms)
            self.critic = _tower(hidden_size, 1)
        for parameter in self.gru.parameters():
            if parameter.dim() > 1:
                nn.init.orthogonal_(parameter, generator=generator)
            else:
                nn.init.zeros_(parameter)
        for tower, last_gain in ((self.actor, 0.01), (self.critic, 1.0)):
            layers = [layer for layer in tower if isinstance(layer, nn.Linear)]
            for layer, gain in zip(layers, (2**0.5, 2**0.5, last_gain), strict=True):
                nn.init.orthogonal_(layer.weight, gain, generator=generator)
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take T steps of B tasks.

        Shape:
            inputs: (T, B, 1 + K), the reward and the arm as one-hot; all 0 before the first arm.
            hidden: (B, H), before the first step.

        Returns:
            Logits (T, B, K), values (T, B) and the hidden state after the last step, (B, H).
        """
        outputs, hidden = self.gru(inputs, hidden[None])
        return self.actor(outputs), self.critic(outputs).squeeze(2), hidden[0]

    def encode(self, rewards: Tensor, arms: Tensor) -> Tensor:
        """Return the input that follows on rewards (B,) of arms (B,) int64: (B, 1 + K)."""
        return torch.cat((rewards[:, None], nn.functional.one_hot(arms, self.num_arms)), 1)


def _tower(hidden_size: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(hidden_size, hidden_size),
        nn.Tanh(),
        nn.Linear(hidden_size, hidden_size),
        nn.Tanh(),
        nn.Linear(hidden_size, outputs),
    )


@dataclass(frozen=True)
class _Memory:
    """What the next choice depends on, and the last choice while it has no credit.

    Shape:
        inputs, chosen_inputs: (1 + K,).
        hidden, chosen_hidden: (H,).
    """

    inputs: Tensor
    hidden: Tensor
    last_reward: float = 0.0
    chosen: int | None = None
    chosen_inputs: Tensor | None = None
    chosen_hidden: Tensor | None = None


class RL2Selector(BaseSelector):
    """Draws the arm from a recurrent policy, which takes one gradient step at every credit.

    One-step actor-critic: with the reward r of arm a, chosen at input x and hidden state h,

        A = r - V(x, h),
        J = -log pi(a | x, h) [A] + value_coef A^2 - entropy_coef H(pi(. | x, h)),

    where [A] is a constant. A choice is judged by its own reward alone (no discounted future), and
    the gradient stops at h: what the memory should keep is learned through one step only. So within
    one run this is a policy gradient with a memory; what RL^2 is known for, exploring well in a
    task never seen, needs many tasks (`benchmark.bandits.rl2_training`) and cannot be learned from
    one.

    Source: Duan et al. 2016, "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning",
    as used by RL2-DrAC (Raileanu et al. 2021, section 3.3) and its released code.

    Args:
        arms: distinct names.
        generator: on the CPU; draws the initial weights, then the arms, one number a selection.
            It is used as it is, not copied.
        hidden_size: of the GRU and of the layers above it.
        learning_rate: Adam's.
        entropy_coef: weight of the entropy.
        reward_input: what stands beside the one-hot last arm in the input: its own reward
            ("latest"), or the one before it, which the arm before it earned ("previous": the
            released code puts the input together before that arm has been used).

    Raises:
        ValueError: for an impossible argument, with the value and what is allowed.
    """

    VALUE_COEF = 0.5
    MAX_GRAD_NORM = 0.5
    ADAM_EPS = 1e-5
    """The released code's, for this policy as for PPO's."""

    def __init__(
        self,
        arms: Sequence[str],
        generator: torch.Generator,
        hidden_size: int = 32,
        learning_rate: float = 5e-4,
        entropy_coef: float = 1e-3,
        reward_input: RewardInput = "latest",
    ) -> None:
        super().__init__(arms)
        if type(hidden_size) is not int or hidden_size < 1:
            raise ValueError(f"hidden_size must be an integer >= 1, got {hidden_size!r}")
        if not (math.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"learning_rate must be a finite number > 0, got {learning_rate!r}")
        if not (math.isfinite(entropy_coef) and entropy_coef >= 0):
            raise ValueError(f"entropy_coef must be a finite number >= 0, got {entropy_coef!r}")
        if reward_input not in get_args(RewardInput):
            raise ValueError(f"reward_input must be one of {get_args(RewardInput)}")
        self.learning_rate, self.entropy_coef = learning_rate, entropy_coef
        self.reward_input = reward_input
        self.policy = RecurrentPolicy(len(self.arms), hidden_size, generator)
        self._generator = generator
        self._optimizer = torch.optim.Adam(
            self.policy.parameters(), lr=learning_rate, eps=self.ADAM_EPS, fused=True
        )
        self._memory = _Memory(torch.zeros(1 + len(self.arms)), torch.zeros(hidden_size))
        self._moments = {arm: RunningMoments() for arm in self.arms}

    def means(self) -> dict[str, float]:
        """Each arm's mean over all rewards credited to it; 0.0 before the first."""
        return {arm: moments.mean for arm, moments in self._moments.items()}

    def scores(self) -> dict[str, float]:
        """pi(arm | input, hidden state): the probability of each arm."""
        return dict(zip(self.arms, self._look()[0].tolist(), strict=True))

    @torch.no_grad()
    def _look(self) -> tuple[Tensor, Tensor]:
        """Return the probabilities (K,) and the next hidden state (H,)."""
        inputs, hidden = self._memory.inputs, self._memory.hidden
        logits, _, hidden = self.policy(inputs[None, None], hidden[None])
        return logits[0, 0].softmax(0), hidden[0]

    def _choose(self) -> str:
        probabilities, hidden = self._look()
        arm = int(probabilities.multinomial(1, generator=self._generator))
        before = self._memory
        inputs = before.inputs
        if self.reward_input == "previous":
            inputs = self._input(before.last_reward, arm)
        self._memory = _Memory(
            inputs, hidden, before.last_reward, arm, before.inputs, before.hidden
        )
        return self.arms[arm]

    def _credit(self, arm: str, reward: float) -> None:
        self._moments[arm].add(reward)
        index = self.arms.index(arm)
        self._learn(index, reward)
        inputs = self._memory.inputs
        if self.reward_input == "latest":
            inputs = self._input(reward, index)
        self._memory = _Memory(inputs, self._memory.hidden, reward)

    def _learn(self, arm: int, reward: float) -> None:
        """Take the gradient step of the last choice; an arm chosen earlier teaches nothing."""
        inputs, hidden = self._memory.chosen_inputs, self._memory.chosen_hidden
        if arm != self._memory.chosen or inputs is None or hidden is None:
            return
        logits, values, _ = self.policy(inputs[None, None], hidden[None])
        log_probs = logits[0, 0].log_softmax(0)
        advantage = reward - values[0, 0]
        entropy = -(log_probs.exp() * log_probs).sum()
        loss = (
            -log_probs[arm] * advantage.detach()
            + self.VALUE_COEF * advantage.square()
            - self.entropy_coef * entropy
        )
        if not loss.isfinite():
            raise NonFinite("the loss of the policy that chooses the arm is NaN or infinite")
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), self.MAX_GRAD_NORM)
        self._optimizer.step()

    def _input(self, reward: float, arm: int) -> Tensor:
        return self.policy.encode(torch.tensor([reward]), torch.tensor([arm]))[0]

    def _settings(self) -> dict[str, Any]:
        return {
            "hidden_size": self.policy.hidden_size,
            "learning_rate": self.learning_rate,
            "entropy_coef": self.entropy_coef,
            "reward_input": self.reward_input,
        }

    def _learned(self) -> dict[str, Any]:
        memory = {
            name: value.tolist() if isinstance(value, Tensor) else value
            for name, value in vars(self._memory).items()
        }
        adam = self._optimizer.state_dict()["state"]
        return {
            "moments": [moments.to_list() for moments in self._moments.values()],
            "memory": memory,
            "weights": {name: w.tolist() for name, w in self.policy.state_dict().items()},
            "adam": [
                {name: value.tolist() for name, value in adam[number].items()}
                for number in sorted(adam)
            ],
            "generator": self._generator.get_state().tolist(),
        }

    def _load_learned(self, learned: Mapping[str, Any]) -> None:
        moments = [RunningMoments.from_list(numbers) for numbers in learned["moments"]]
        if len(moments) != len(self.arms):
            raise ValueError(f"state needs {len(self.arms)} moments, got {len(moments)}")
        try:
            fields: dict[str, Any] = {
                name: torch.tensor(value) if isinstance(value, list) else value
                for name, value in learned["memory"].items()
            }
            memory = _Memory(**fields)
            generator = torch.tensor(learned["generator"], dtype=torch.uint8)
            torch.Generator().set_state(generator)
            weights = {name: torch.tensor(w) for name, w in learned["weights"].items()}
            adam = [{k: torch.tensor(v) for k, v in s.items()} for s in learned["adam"]]
            self._check(weights, adam, memory)
        except (TypeError, KeyError, RuntimeError) as error:
            raise ValueError(f"state does not fit an RL2Selector: {error}") from None
        self._generator.set_state(generator)
        self.policy.load_state_dict(weights)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": dict(enumerate(adam)), "param_groups": groups})
        self._memory, self._moments = memory, dict(zip(self.arms, moments, strict=True))

    def _check(
        self, weights: dict[str, Tensor], adam: list[dict[str, Tensor]], memory: _Memory
    ) -> None:
        """Raise ValueError unless all shapes are ours."""
        own = self.policy.state_dict()
        shapes = {name: tuple(weight.shape) for name, weight in own.items()}
        if {name: tuple(weight.shape) for name, weight in weights.items()} != shapes:
            raise ValueError("state has weights of other shapes")
        moments = [(s["step"].dim(), s["exp_avg"].shape, s["exp_avg_sq"].shape) for s in adam]
        if moments not in ([], [(0, weight.shape, weight.shape) for weight in own.values()]):
            raise ValueError("state has an optimizer of other shapes")
        if (memory.inputs.shape, memory.hidden.shape) != (
            self._memory.inputs.shape,
            self._memory.hidden.shape,
        ):
            raise ValueError("state has a memory of other shapes")

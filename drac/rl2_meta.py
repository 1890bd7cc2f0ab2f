"""Learning to learn: the recurrent policy of `drac.rl2`, trained over many bandit tasks.

A task is K arms that pay 1 with fixed unknown probabilities, drawn uniformly from [0, 1], and a
fixed number of pulls: the setting of Duan et al. 2016, section 3.1. Trained over tasks, the GRU's
memory becomes an exploration strategy, and a task never seen needs no gradient step at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from drac.losses import clipped_policy_loss, entropy
from drac.returns import gae
from drac.rl2 import RecurrentPolicy


@dataclass(frozen=True)
class MetaSettings:
    """How a policy is trained over tasks: PPO on whole tasks.

    Attributes:
        pulls: of a task, T.
        passes: over the tasks, each with new rewards.
        batch: tasks played side by side, then learned from.
        epochs: gradient steps on each batch, through all pulls of its tasks.
        learning_rate: Adam's at the start; it falls to 0 linearly, and so does `entropy_coef`.
        discount: of later pulls.
        gae_lambda: lambda of GAE.
        clip: PPO's clip range.
        entropy_coef: weight of the entropy at the start.
    """

    pulls: int = 50
    passes: int = 20
    batch: int = 100
    epochs: int = 4
    learning_rate: float = 3e-3
    discount: float = 0.9
    gae_lambda: float = 0.9
    clip: float = 0.2
    entropy_coef: float = 0.01


@dataclass(frozen=True)
class Trial:
    """B tasks, played side by side for T pulls.

    Shape:
        inputs: (T, B, 1 + K), what the policy saw.
        arms: (T, B) int64.
        expected: (T, B), the mean reward of the arm pulled: the reward without its noise.
    """

    inputs: Tensor
    arms: Tensor
    expected: Tensor


def draw_tasks(number: int, num_arms: int, generator: torch.Generator) -> Tensor:
    """Return the arms' probabilities of paying 1, (number, num_arms), uniform in [0, 1]."""
    return torch.rand(number, num_arms, generator=generator)


@torch.no_grad()
def play(policy: RecurrentPolicy, tasks: Tensor, pulls: int, generator: torch.Generator) -> Trial:
    """Play B tasks (B, K) with the weights as they are; only the hidden state learns."""
    size, rows = len(tasks), torch.arange(len(tasks))
    inputs, hidden = torch.zeros(size, 1 + policy.num_arms), torch.zeros(size, policy.hidden_size)
    seen, chosen, expected = [], [], []
    for _ in range(pulls):
        seen.append(inputs)
        outputs, state = policy.gru(inputs[None], hidden[None])
        hidden = state[0]
        probabilities = policy.actor(outputs[0]).softmax(1)
        arms = probabilities.multinomial(1, generator=generator).squeeze(1)
        means = tasks[rows, arms]
        paid = torch.rand(size, generator=generator) < means
        inputs = policy.encode(paid.float(), arms)
        chosen.append(arms)
        expected.append(means)
    return Trial(torch.stack(seen), torch.stack(chosen), torch.stack(expected))


def regret(
    policy: RecurrentPolicy, tasks: Tensor, pulls: int, generator: torch.Generator
) -> Tensor:
    """Return each task's regret over its pulls, sum_t (max_a mu_a - mu_{a_t}): (B,)."""
    return (tasks.amax(1) - play(policy, tasks, pulls, generator).expected).sum(0)


def meta_train(
    policy: RecurrentPolicy,
    tasks: Tensor,
    generator: torch.Generator,
    settings: MetaSettings | None = None,
    on_batch: Callable[[float], None] = lambda share: None,
) -> None:
    """Train a policy, in place, to play tasks it has never seen.

    A pull counts as its arm's mean less the mean of the task's arms. Both leave the expected
    gradient as it is, and take the noise of the payments and the tasks' differing levels out.

    Args:
        policy: any weights.
        tasks: (N, K) probabilities; N a multiple of the batch.
        generator: CPU; of the tasks' order, the choices and the payments.
        settings: None: the defaults.
        on_batch: called after each batch with the share of the work that is done.

    Raises:
        ValueError: if the tasks do not divide into batches.
    """
    settings = settings or MetaSettings()
    if len(tasks) % settings.batch:
        raise ValueError(f"{len(tasks)} tasks do not divide into batches of {settings.batch}")
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate, eps=1e-5)
    number = settings.passes * len(tasks) // settings.batch
    for done, batch in enumerate(_batches(tasks, settings, generator)):
        left = 1 - done / number
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * left
        trial = play(policy, batch, settings.pulls, generator)
        _learn(policy, optimizer, trial, trial.expected - batch.mean(1), settings, left)
        on_batch((done + 1) / number)


def _batches(tasks: Tensor, settings: MetaSettings, generator: torch.Generator) -> Iterator[Tensor]:
    for _ in range(settings.passes):
        yield from tasks[torch.randperm(len(tasks), generator=generator)].split(settings.batch)


def _learn(
    policy: RecurrentPolicy,
    optimizer: torch.optim.Optimizer,
    trial: Trial,
    rewards: Tensor,
    settings: MetaSettings,
    left: float,
) -> None:
    """Take PPO's gradient steps on a batch; `left` is the share of the training to come."""
    hidden = torch.zeros(trial.arms.shape[1], policy.hidden_size)

    def now() -> tuple[Tensor, Tensor, Tensor]:
        logits, values, _ = policy(trial.inputs, hidden)
        logits = logits.flatten(0, 1)
        return logits, logits.log_softmax(1).gather(1, trial.arms.reshape(-1, 1))[:, 0], values

    with torch.no_grad():
        _, old_log_probs, old_values = now()
    ends = torch.zeros_like(rewards, dtype=torch.bool)
    ends[-1] = True
    advantages, returns = gae(
        rewards, old_values, ends, rewards[-1], settings.discount, settings.gae_lambda
    )
    normalized = (advantages - advantages.mean()) / (advantages.std() + 1e-5)
    for _ in range(settings.epochs):
        logits, log_probs, values = now()
        surrogate = clipped_policy_loss(
            log_probs, old_log_probs, normalized.flatten(), settings.clip
        )
        value_loss = 0.5 * (values - returns).square().mean()
        loss = surrogate + value_loss - settings.entropy_coef * left * entropy(logits)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
        optimizer.step()

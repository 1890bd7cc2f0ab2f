"""The updates of DAAC and IDAAC: first the policy network's, then the value network's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from augmentations import Augmentation
from drac.config import TrainConfig
from drac.cuda_graphs import Captured, Recorder, Tensors
from drac.learner.episode_pairs import EpisodeSpans
from drac.learner.gradient_steps import GradientSteps
from drac.learner.learner import Learner
from drac.networks.daac import DecoupledActorCritic
from drac.objectives.daac import DAAC, OrderOfPairs, Value
from drac.objectives.objective import Objective
from drac.rollout import Minibatch, Rollout
from drac.stats import UpdateStats


class DecoupledLearner(Learner):
    """Trains each part of a `DecoupledActorCritic` with an optimizer of its own.

    An update is `idaac_policy_epochs` passes of the policy over the rollout and, in every
    `idaac_value_every`-th, the first included, `idaac_value_epochs` passes of the value. Where the
    network has an order classifier, each step of the policy follows one of the classifier on the
    same pairs (Raileanu & Fergus 2021, algorithm 1 and released code).

    Args:
        network, config, minibatch_generator, augmentation_generator, objective, record: see
            `Learner`; the objective is the policy's, by default DAAC's.
        target_generator: generator of the pairs.
    """

    def __init__(
        self,
        network: DecoupledActorCritic,
        config: TrainConfig,
        minibatch_generator: torch.Generator | None = None,
        augmentation_generator: torch.Generator | None = None,
        target_generator: torch.Generator | None = None,
        objective: Objective | None = None,
        record: Recorder | None = None,
    ) -> None:
        super().__init__(
            network,
            config,
            minibatch_generator,
            augmentation_generator,
            target_generator,
            objective or DAAC(config),
            record,
            network.policy_parameters(),
        )
        self._value = Learner(
            network,
            config,
            objective=Value(config),
            record=record,
            parameters=network.value_parameters(),
        )
        self._parts = {"value": self._value}
        self._classifier: Learner | None = None
        if network.classifier is not None:
            self._classifier = self._parts["classifier"] = Learner(
                network,
                config,
                objective=OrderOfPairs(config),
                record=record,
                parameters=network.classifier.parameters(),
            )
        self._updates = 0
        self._value_loss = 0.0  # of the last update that trained the value

    @property
    def recorded(self) -> tuple[Captured, ...]:
        """What is to be recorded, of all parts; nothing where steps are not."""
        parts = [part.recorded for part in self._parts.values()]
        return sum(parts, super().recorded)

    @property
    def num_gradient_steps(self) -> int:
        """How many gradient steps the next update takes of policy and value."""
        epochs = self.config.idaac_policy_epochs
        if self._value_is_due():
            epochs += self.config.idaac_value_epochs
        return epochs * self.config.minibatches

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Train the policy on a rollout, and the value if it is its turn.

        Args:
            rollout: with advantages and returns filled in.
            augmentation: must be None.
            on_step: called after every gradient step of policy and value.
            arm: not looked at.

        Returns:
            Means over the policy's gradient steps, and `value_loss` over the value's: the last
            ones, if there are none in this update.

        Raises:
            ValueError: if there is an augmentation.
            NonFinite: see `Learner.update`.
        """
        if augmentation is not None:
            raise ValueError("DAAC and IDAAC use no augmentation")
        for part in self._parts.values():
            part.phases = self.phases
        self.skipped = 0
        figures = self._train_policy(rollout, on_step)
        if self._value_is_due():
            self._value_loss = self._train_value(rollout, on_step)
        self._updates += 1
        return replace(UpdateStats(*figures), value_loss=self._value_loss)

    def _value_is_due(self) -> bool:
        return self._updates % self.config.idaac_value_every == 0

    def _train_policy(self, rollout: Rollout, on_step: Callable[[], None]) -> list[float]:
        """Return the means of the figures of the policy's steps."""
        number = self.config.idaac_policy_epochs * self.config.minibatches
        policy, order = self.gradient_steps(number, "in the policy network"), None
        if self._classifier is not None:
            order = self.gradient_steps(number, "in the order classifier")
        spans = EpisodeSpans(rollout.dones)
        for rows, minibatch in self._passes(rollout, self.config.idaac_policy_epochs):
            draws: Tensors = {}
            if order is not None and self._classifier is not None:
                draws = self._pairs(rollout, spans, rows)
                order.add(self._classifier.take_step(minibatch, None, draws), minibatch)
            policy.add(self.take_step(minibatch, None, draws), minibatch)
            on_step()
        if order is not None:
            self._means(order)
        return self._means(policy)

    def _train_value(self, rollout: Rollout, on_step: Callable[[], None]) -> float:
        """Return the mean loss of the value's steps."""
        number = self.config.idaac_value_epochs * self.config.minibatches
        value = self.gradient_steps(number, "in the value network")
        for _, minibatch in self._passes(rollout, self.config.idaac_value_epochs):
            value.add(self._value.take_step(minibatch, None, {}), minibatch)
            on_step()
        return UpdateStats(*self._means(value)).value_loss

    def _means(self, steps: GradientSteps) -> list[float]:
        means = steps.means()
        self.skipped += steps.skipped
        return means

    def _passes(self, rollout: Rollout, epochs: int) -> Iterator[tuple[Tensor, Minibatch]]:
        """Yield the minibatches of several passes, each with its rows."""
        samples = rollout.samples()
        for _ in range(epochs):
            for rows in rollout.partition(self.config.minibatches, self.minibatch_generator):
                with self.phases("gather minibatch"):
                    minibatch = samples[rows]
                yield rows, minibatch

    def _pairs(self, rollout: Rollout, spans: EpisodeSpans, rows: Tensor) -> Tensors:
        """Draw the partners of a minibatch: what `IDAAC` and `OrderOfPairs` need."""
        with self.phases("gather minibatch"):
            pairs = spans.partners(rows, self.target_generator)
            return {
                "other_obs": rollout.samples().obs[pairs.rows],
                "other_first": pairs.other_first,
                "paired": pairs.paired,
            }

    def state_dict(self) -> dict[str, Any]:
        """Return what the next update depends on, but the network."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        own = {"updates": self._updates, "value_loss": self._value_loss}
        return {**super().state_dict(), **parts, **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self._updates, self._value_loss = state["updates"], state["value_loss"]

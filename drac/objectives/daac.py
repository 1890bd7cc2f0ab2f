"""Decoupled and invariant decoupled advantage actor-critic (Raileanu & Fergus 2021).

Four losses, each of some of the network's parameters; `drac.learner.daac` takes the steps.
Of the figures, `aug_value_loss` is here the advantage head's loss, `aug_policy_loss` that of the
order: they are what the policy's loss has beside PPO's terms, as in DrAC. Nothing in the losses is
random; IDAAC's pairs depend on the rollout, and its learner draws them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from augmentations import as_float
from drac import losses
from drac.networks import ActorCritic
from drac.networks.daac import DecoupledActorCritic, OrderClassifier
from drac.networks.impala import widened
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO, policy_terms


class DAAC(PPO):
    """What trains the policy network and its advantage head.

        L = L_policy - entropy_coef H + advantage_coef L_A,  L_A = mean((A(s,a) - A_hat)^2)

    A_hat is the normalized GAE that the policy's own loss is weighted with.
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        decoupled, config, samples = _decoupled(network), self.config, inputs.samples
        features = decoupled.features(inputs.obs)
        ppo = policy_terms(widened(decoupled.policy_head(features)), samples, config)
        advantage = decoupled.advantage(features, samples.actions)
        advantage_loss = ((advantage - samples.advantages) ** 2).mean()
        loss = (
            ppo.policy_loss
            - config.entropy_coef * ppo.entropy
            + config.idaac_advantage_coef * advantage_loss
        )
        order = self.order_loss(decoupled, features, inputs)
        if order is None:
            order = torch.zeros_like(loss)
        else:
            loss = loss + config.idaac_order_coef * order
        zero = torch.zeros_like(loss)
        own = (ppo.policy_loss, zero, ppo.entropy, order, advantage_loss)
        return loss, torch.stack([f.detach() for f in (*own, ppo.approx_kl, ppo.clip_fraction)])

    def order_loss(
        self, network: DecoupledActorCritic, features: Tensor, inputs: Inputs
    ) -> Tensor | None:
        """Return what keeps the order out of the features, (); None: nothing does."""
        return None


class IDAAC(DAAC):
    """DAAC with features from which the classifier cannot tell the order.

        L_IDAAC = L_DAAC + order_coef L_E
        L_E = mean(-1/2 log D(s_i, s_j) - 1/2 log(1 - D(s_i, s_j)))

    The classifier's weights are constants here.

    `draws` holds, of the partner of each sample, `other_obs` (b, 3, H, W), and `paired` (b,); see
    `drac.learner.episode_pairs.Pairs`. Samples without a partner count as 0.
    """

    def order_loss(self, network: DecoupledActorCritic, features: Tensor, inputs: Inputs) -> Tensor:
        """Return L_E, ()."""
        classifier = _classifier(network)
        frozen = {name: p.detach() for name, p in classifier.named_parameters()}
        other = network.features(as_float(inputs.draws["other_obs"]))
        logits = functional_call(classifier, frozen, (features, other))
        confusion = -F.log_softmax(logits, dim=1).mean(dim=1)
        return (inputs.draws["paired"] * confusion).mean()


class OrderOfPairs(PPO):
    """What trains the order classifier; the features are constants.

        L_D = mean(-log D(s_i, s_j)) if s_i came first, mean(-log(1 - D(s_i, s_j))) otherwise

    Beside what `IDAAC` needs, `draws` holds `other_first` (b,).
    """

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        decoupled = _decoupled(network)
        with torch.no_grad():
            features = decoupled.features(inputs.obs)
            other = decoupled.features(as_float(inputs.draws["other_obs"]))
        logits = _classifier(decoupled)(features, other)
        errors = F.cross_entropy(logits, inputs.draws["other_first"], reduction="none")
        loss = (inputs.draws["paired"] * errors).mean()
        return loss, _only(loss, index=3)


class Value(PPO):
    """What trains the value network: PPO's clipped value loss, with weight 1."""

    def __call__(self, network: ActorCritic, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the loss and its figures; see `drac.objectives.objective.Objective`."""
        samples = inputs.samples
        value = _decoupled(network).value(inputs.obs)
        loss = losses.clipped_value_loss(
            value, samples.old_values, samples.returns, self.config.clip
        )
        return loss, _only(loss, index=1)


def _only(loss: Tensor, index: int) -> Tensor:
    """Return the figures of a step that has one loss."""
    zero = torch.zeros_like(loss)
    return torch.stack([loss.detach() if i == index else zero for i in range(7)])


def _decoupled(network: ActorCritic) -> DecoupledActorCritic:
    if not isinstance(network, DecoupledActorCritic):
        raise TypeError(f"the network must be a DecoupledActorCritic, not {type(network).__name__}")
    return network


def _classifier(network: DecoupledActorCritic) -> OrderClassifier:
    if network.classifier is None:
        raise TypeError("the network has no order classifier: idaac_network makes one that has")
    return network.classifier

"""TRPO's update: a natural gradient step of the policy within a trust region (Schulman 2015).

    maximize -L(theta)   so that   E[KL(pi_old(.|s) || pi_theta(.|s))] <= trpo_kl

The step's direction solves (F + damping I) x = -grad L by conjugate gradients, F being the
divergence's Hessian at pi_old, which is the Fisher matrix. Its length makes the divergence's
quadratic model equal to the bound; it is halved until the true one keeps it and L has fallen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from augmentations import Augmentation, as_float
from drac import losses
from drac.config import TrainConfig
from drac.cuda_graphs import Recorder
from drac.learner.gradient_steps import FIGURES
from drac.learner.learner import Learner
from drac.networks.two_networks import TwoNetworks
from drac.objectives.objective import Inputs, Objective
from drac.objectives.trpo import TRPO, SquaredError
from drac.rollout import Minibatch, Rollout
from drac.stats import UpdateStats

FISHER_SHARE = 10
"""One sample in this many gives the Fisher matrix (Schulman et al. 2015, appendix C.1)."""
HALVINGS = 10
"""Of the step, before the policy is left as it is."""
GPU_PIECE = 512  # images whose gradient is differentiated at once on a GPU; memory bounds it

_KL = FIGURES.index("approx_kl")


class TRPOLearner(Learner):
    """Takes one step of the policy, then passes of the value network, whose learner this is.

    The policy's step is computed as the weights are, float32, whatever `precision` says.

    Args:
        network, config, minibatch_generator, augmentation_generator, target_generator, record: see
            `Learner`; the first generator also draws the samples of the Fisher matrix.
        objective: the policy's.
    """

    def __init__(
        self,
        network: TwoNetworks,
        config: TrainConfig,
        minibatch_generator: torch.Generator | None = None,
        augmentation_generator: torch.Generator | None = None,
        target_generator: torch.Generator | None = None,
        objective: Objective | None = None,
        record: Recorder | None = None,
    ) -> None:
        super().__init__(
            network,
            config.model_copy(update={"epochs": config.trpo_value_epochs}),
            minibatch_generator,
            augmentation_generator,
            target_generator,
            SquaredError(config),
            record,
            network.value_parameters(),
        )
        self.surrogate = objective or TRPO(config)
        self.policy = network.policy_parameters()

    @property
    def num_gradient_steps(self) -> int:
        """How many steps the next update takes: the policy's, and the value's."""
        return 1 + super().num_gradient_steps

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Take a step of the policy, and train the value.

        Returns:
            Loss, entropy and divergence of the policy after its step; the value's own figures.

        Raises:
            ValueError: if there is an augmentation.
            NonFinite: see `Learner.update`; of the policy's only step also with `on_nan="skip"`.
        """
        if augmentation is not None:
            raise ValueError("TRPO uses no augmentation")
        with self.phases("forward, backward"):
            policy = self.step_policy(rollout.samples())
        on_step()
        value = super().update(rollout, None, on_step)
        return replace(policy, value_loss=value.value_loss, grad_norm=value.grad_norm)

    def step_policy(self, samples: Minibatch) -> UpdateStats:
        """Take the policy's step on all samples; return its figures."""
        config = self.config
        with torch.no_grad():
            logits = [self.network.logits(obs) for _, obs in self._pieces(samples)]
        draws = {"old_logits": torch.cat(logits)}
        loss, gradient, figures = self._gradient(samples, draws)
        norm = gradient.norm().reshape(1)
        steps = self.gradient_steps(1, "in the policy network")
        steps.add(torch.cat([figures, norm]), samples)
        before = UpdateStats(*steps.means())
        number = max(1, len(samples) // FISHER_SHARE)
        rows = torch.randperm(len(samples), generator=self.minibatch_generator)[:number]
        some = samples[rows.to(self.device)]

        def curved(vector: Tensor) -> Tensor:
            return self.fisher_product(some, vector) + config.trpo_damping * vector

        direction = conjugate_gradients(curved, -gradient, config.trpo_cg_steps)
        curvature = float(direction @ curved(direction))
        if not curvature > 0:  # the gradient is 0
            return before
        step = direction * math.sqrt(2 * config.trpo_kl / curvature)
        begun = flat(self.policy).detach()
        for halving in range(HALVINGS):
            self._set(begun + step * 0.5**halving)
            with torch.no_grad():
                new_loss, figures = self._totals(samples, draws)
            if new_loss < loss and figures[_KL] <= config.trpo_kl:
                return UpdateStats(*torch.cat([figures, norm]).tolist())
        self._set(begun)
        return before

    def fisher_product(self, samples: Minibatch, vector: Tensor) -> Tensor:
        """Return F v of the samples' Fisher matrix, (P,), for a vector (P,) of the policy's size.

        It is the gradient of <grad KL, v>, where the divergence from pi_old is 0.
        """
        total = torch.zeros_like(vector)
        for rows, obs in self._pieces(samples):
            logits = self.network.logits(obs)
            kl = losses.policy_consistency_loss(logits, logits)
            slope = flat(torch.autograd.grad(kl, self.policy, create_graph=True))
            product = flat(torch.autograd.grad(slope @ vector, self.policy))
            total += product * ((rows.stop - rows.start) / len(samples))
        return total

    def _gradient(
        self, samples: Minibatch, draws: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss, its gradient (P,), and figures (7,)."""
        gradient = torch.zeros_like(flat(self.policy))

        def add(part: Tensor) -> None:
            gradient.add_(flat(torch.autograd.grad(part, self.policy)))

        loss, figures = self._totals(samples, draws, add)
        return loss, gradient, figures

    def _totals(
        self,
        samples: Minibatch,
        draws: dict[str, Tensor],
        on_part: Callable[[Tensor], None] = lambda part: None,
    ) -> tuple[Tensor, Tensor]:
        """Return loss and figures of all samples; `on_part` is given each piece's part of it."""
        loss, figures = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for rows, obs in self._pieces(samples):
            cut = {name: value[rows] for name, value in draws.items()}
            share = (rows.stop - rows.start) / len(samples)
            part, made = self.surrogate(self.network, Inputs(samples[rows], obs, None, cut))
            on_part(part * share)
            loss, figures = loss + part.detach() * share, figures + made * share
        return loss, figures

    def _pieces(self, samples: Minibatch) -> Iterator[tuple[slice, Tensor]]:
        """Yield which samples each piece has, and their images as the weights are."""
        size = self.config.micro_batch if self.device.type == "cpu" else GPU_PIECE
        for start in range(0, len(samples), size):
            rows = slice(start, min(start + size, len(samples)))
            yield rows, as_float(samples.obs[rows]).to(self.network.fc.weight.dtype)

    @torch.no_grad()
    def _set(self, weights: Tensor) -> None:
        parts = weights.split([weight.numel() for weight in self.policy])
        for weight, part in zip(self.policy, parts, strict=True):
            weight.copy_(part.view(weight.shape))


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors as one vector, (P,)."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def conjugate_gradients(product: Callable[[Tensor], Tensor], right: Tensor, steps: int) -> Tensor:
    """Solve A x = b for a positive definite A (Hestenes and Stiefel 1952).

    Args:
        product: x -> A x, for x of shape (P,).
        right: b, (P,).
        steps: at most; fewer where the residual has vanished.
    """
    x, residual = torch.zeros_like(right), right.clone()
    along, squared = residual.clone(), residual @ residual
    for _ in range(steps):
        if squared <= 1e-10 * (right @ right):
            break
        image = product(along)
        length = squared / (along @ image)
        x, residual = x + length * along, residual - length * image
        squared, before = residual @ residual, squared
        along = residual + squared / before * along
    return x

"""DrAC whose alpha_r is learned while it trains, by its meta-gradient (Xu et al. 2018).

The last gradient step of an update made theta' of the weights, and alpha_r had a part in it. How
good that was is told by PPO's loss on the next rollout:

    d L_PPO(theta') / d alpha_r = <grad L_PPO(theta'), d theta' / d alpha_r>
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from augmentations import Augmentation
from drac.arms.build import Augment
from drac.cuda_graphs import Tensors
from drac.errors import NonFinite
from drac.learner.gradient_steps import FIGURES
from drac.learner.learner import Learner
from drac.networks.sampling import autocast
from drac.objectives.drac import DrAC
from drac.objectives.objective import Inputs
from drac.objectives.ppo import PPO
from drac.rollout import Minibatch, Rollout
from drac.stats import UpdateStats

_GRAD_NORM = FIGURES.index("grad_norm")


class MetaCoefLearner(Learner):
    """A learner that, as an update begins, takes a step of Adam on alpha_r, within its bounds.

    The derivative is that of the step that was taken: through the clipping of the gradient and
    both moments of Adam. Earlier steps count as constant, as in Xu et al. 2018.

    Args:
        args, kwargs: see `Learner`; the objective is DrAC's.

    Attributes:
        coef: alpha_r, ().
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        weight, config = self.network.fc.weight, self.config
        self.coef = nn.Parameter(weight.new_tensor(config.aug_coef))
        self._drac = cast(DrAC, self.objective)
        self._drac.coef = self.coef.detach()  # the same memory, which a recording reads too
        self.meta_optimizer = torch.optim.Adam([self.coef], lr=config.meta_coef_learning_rate)
        self._derivative: Tensor | None = None
        self._steps_left = 0

    def update(
        self,
        rollout: Rollout,
        augmentation: Augmentation | None,
        on_step: Callable[[], None] = lambda: None,
        *,
        arm: str | None = None,
    ) -> UpdateStats:
        """Adapt alpha_r, then update the agent with it as `Learner.update` does.

        Of the figures, `extra_loss` is alpha_r.
        """
        if self._derivative is not None:
            self._adapt(self.meta_gradient(rollout.samples()))
        self._steps_left = self.num_gradient_steps
        stats = super().update(rollout, augmentation, on_step, arm=arm)
        return replace(stats, extra_loss=self.coef.item())

    def meta_gradient(self, samples: Minibatch) -> Tensor:
        """Return d L_PPO / d alpha_r, (), through the last step; there must have been one."""
        assert self._derivative is not None
        ppo = PPO(self.config)
        return self._gradient(samples, None, {}, lambda it: ppo(self.network, it)[0]).dot(
            self._derivative
        )

    def _adapt(self, gradient: Tensor) -> None:
        """Take the step on alpha_r.

        Raises:
            NonFinite: if the gradient is not finite, and may not be skipped.
        """
        if not math.isfinite(gradient.item()):
            if self.config.on_nan == "skip":
                return
            raise NonFinite("the meta-gradient of alpha_r is NaN or infinite")
        self.coef.grad = gradient
        self.meta_optimizer.step()
        with torch.no_grad():
            self.coef.clamp_(0, self.config.meta_coef_max)

    def take_step(
        self, minibatch: Minibatch, augmented: Tensor | Augment | None, draws: Tensors
    ) -> Tensor:
        """Take a gradient step as `Learner` does; of an update's last, keep the derivative."""
        self._steps_left -= 1
        if self._steps_left:
            return super().take_step(minibatch, augmented, draws)
        regularizer = self._gradient(minibatch, augmented, draws, self._regularizer)
        figures = super().take_step(minibatch, augmented, draws)
        if self.optimizer.state:  # else no step has been taken: the first was not finite
            self._derivative = self._through_step(figures[_GRAD_NORM], regularizer)
        return figures

    def _regularizer(self, inputs: Inputs) -> Tensor:
        return self._drac.consistency(self.network, inputs, *self.network(inputs.obs))[0]

    def _gradient(
        self,
        samples: Minibatch,
        augmented: Tensor | Augment | None,
        draws: Tensors,
        loss: Callable[[Inputs], Tensor],
    ) -> Tensor:
        """Return the gradient of a mean over samples, (n,), micro-batch by micro-batch."""
        total = torch.zeros_like(_vector(self.parameters))
        for rows in self._micro_batches(len(samples)):
            inputs = self._inputs(samples[rows], augmented, draws, rows)
            with self.phases("forward, backward"):
                with autocast(self.device, self.config.precision):
                    part = loss(inputs) * ((rows.stop - rows.start) / len(samples))
                total += _vector(torch.autograd.grad(part, self.parameters))
        return total

    @torch.no_grad()
    def _through_step(self, norm: Tensor, regularizer: Tensor) -> Tensor:
        """Return d theta' / d alpha_r, (n,), of the step that Adam has just taken.

        With g the gradient, whose derivative is grad G, and n its norm,

            c = min(1, C / n) g,   m' = b1 m + (1 - b1) c,   v' = b2 v + (1 - b2) c^2,
            theta' = theta - lr (m' / (1 - b1^t)) / (sqrt(v' / (1 - b2^t)) + eps)

        Args:
            norm: of the gradient before it was clipped, ().
            regularizer: grad G, (n,), before the step.
        """
        (group,), states = self.optimizer.param_groups, self.optimizer.state
        moments = [states[weight] for weight in self.parameters]
        clipped = _vector(cast(Tensor, weight.grad) for weight in self.parameters)
        padded = norm + 1e-6  # as torch's clip_grad_norm_ has it
        scale = (self.config.max_grad_norm / padded).clamp(max=1)
        shrinks = (scale < 1) * clipped.dot(regularizer) / (scale * norm * padded)
        d_clipped = scale * regularizer - shrinks * clipped

        step, (beta1, beta2) = moments[0]["step"], group["betas"]
        bias1, bias2 = 1 - beta1**step, 1 - beta2**step
        first = _vector(state["exp_avg"] for state in moments) / bias1
        root = (_vector(state["exp_avg_sq"] for state in moments) / bias2).sqrt()
        d_first = (1 - beta1) * d_clipped / bias1
        d_root = torch.where(root > 0, (1 - beta2) * clipped * d_clipped / (bias2 * root), 0)
        below = root + group["eps"]
        derivative: Tensor = -group["lr"] * (d_first / below - first * d_root / below**2)
        return derivative

    def state_dict(self) -> dict[str, Any]:
        """Return the learner's state, alpha_r and what its next step depends on."""
        meta = {
            "coef": self.coef.detach(),
            "optimizer": self.meta_optimizer.state_dict(),
            "derivative": self._derivative,
        }
        return {**super().state_dict(), "meta": meta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        meta = state["meta"]
        with torch.no_grad():
            self.coef.copy_(meta["coef"])
        self.meta_optimizer.load_state_dict(meta["optimizer"])
        derivative = meta["derivative"]
        self._derivative = None if derivative is None else derivative.to(self.coef)


def _vector(tensors: Iterable[Tensor]) -> Tensor:
    """Return all numbers of some tensors, (n,), whatever their layout in memory."""
    return torch.cat([tensor.flatten() for tensor in tensors])

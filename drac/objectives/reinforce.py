"""REINFORCE (Williams 1992), without a baseline and with one.

The returns are those of `drac.learner.reinforce`, and stay as they are: to normalize them over the
rollout would be a baseline already.
"""

from __future__ import annotations

from torch import Tensor

from drac.objectives.a2c import A2C
from drac.rollout import Minibatch


class ReinforceBaseline(A2C):
    """Weighs actions with what they brought beyond what the state promised.

    L = -E[log pi(a|s) (G - V_old(s))] + value_coef E[(V(s) - G)^2] / 2 - entropy_coef H
    """

    def weight(self, samples: Minibatch) -> Tensor:
        """Return G - V_old(s), (b,)."""
        return samples.returns - samples.old_values


class Reinforce(A2C):
    """Weighs actions with all that followed them; nothing trains the value.

    L = -E[log pi(a|s) G] - entropy_coef H
    """

    def weight(self, samples: Minibatch) -> Tensor:
        """Return G, (b,)."""
        return samples.returns

    def value_loss(self, value: Tensor, samples: Minibatch) -> Tensor:
        """There is no critic: 0."""
        return value.new_zeros(())

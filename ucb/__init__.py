"""Which arm next: bandits over named arms.

Arms are strings and rewards are floats; this package has never seen an image, needs only numpy,
and imports no other package of the project.
"""

from ucb.discounted import DiscountedUCB
from ucb.exp3 import EXP3
from ucb.selector import ArmSelector, BaseSelector, FixedArm, UniformArm
from ucb.sliding_window import SlidingWindowUCB
from ucb.thompson import ThompsonSampling

__all__ = [
    "EXP3",
    "ArmSelector",
    "BaseSelector",
    "DiscountedUCB",
    "FixedArm",
    "SlidingWindowUCB",
    "ThompsonSampling",
    "UniformArm",
]

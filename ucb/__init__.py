"""Which arm next: bandits over named arms.

Arms are strings and rewards are floats; this package has never seen an image, needs only numpy,
and imports no other package of the project.
"""

from ucb.selector import ArmSelector, BaseSelector, FixedArm, UniformArm
from ucb.sliding_window import SlidingWindowUCB

__all__ = ["ArmSelector", "BaseSelector", "FixedArm", "SlidingWindowUCB", "UniformArm"]

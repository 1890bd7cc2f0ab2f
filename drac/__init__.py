"""PPO agents regularized by data augmentation (DrAC), trained and tested on Procgen.

The public names are in `drac.api`; this module stays empty so that `drac --help` is quick.
"""

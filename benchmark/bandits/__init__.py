"""Selectors on simulated curves, and the training of RL^2."""

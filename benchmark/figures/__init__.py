"""Figures of a store of runs: data frames in, `drawing.Drawing` out. matplotlib without pyplot."""

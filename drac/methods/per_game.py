"""Settings that a publication chose game by game, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from drac.methods import registry

SOURCE = "github.com/rraileanu/idaac at 20045c7, behind its flag for each game's best settings"

PUBLISHED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "bigfish": {
            "idaac_value_every": 32,
            "idaac_advantage_coef": 0.05,
            "idaac_order_coef": 0.01,
            "idaac_order_hidden": 4,
        },
        "chaser": {"idaac_value_epochs": 1, "idaac_advantage_coef": 0.15},
        "climber": {"idaac_advantage_coef": 0.05, "idaac_order_hidden": 64},
        "dodgeball": {"idaac_value_every": 32, "idaac_order_hidden": 64},
        "miner": {"idaac_value_every": 32, "idaac_order_coef": 0.1, "idaac_order_hidden": 64},
        "plunder": {
            "idaac_value_epochs": 1,
            "idaac_value_every": 8,
            "idaac_advantage_coef": 0.3,
            "idaac_order_coef": 0.1,
        },
    }
)
"""Game -> options of DAAC and IDAAC; other games, and other options, have the defaults."""

NAMES = frozenset(name for options in PUBLISHED.values() for name in options)


def published(method: str, game: str) -> dict[str, Any]:
    """Return the published settings of a game that a method has the options for."""
    own = registry.get(method).options
    return {name: value for name, value in PUBLISHED.get(game, {}).items() if name in own}

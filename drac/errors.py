"""What can go wrong, each an exception whose message is one sentence. Imports nothing of drac."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any


class ConfigError(ValueError):
    """A configuration that cannot be run. The message is one sentence, fit for the terminal."""


class NonFinite(ArithmeticError):
    """What a run computed is NaN or infinite. The message is one sentence, fit for the terminal.

    Attributes:
        evidence: numpy arrays by name, for inspection: the minibatch (`obs` (B, 3, H, W) uint8,
            `actions`, ...), its `losses` and their `loss_names`. Empty if it was no minibatch.
    """

    def __init__(self, message: str, evidence: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.evidence: Mapping[str, Any] = evidence or {}


class DiskError(OSError):
    """A write that could not be done. The message is one sentence, fit for the terminal."""


class FolderGoneError(DiskError):
    """A run's folder was moved or deleted while it was written: nothing of it is there."""


class OthersCodeError(Exception):
    """The code of others that a run is made of, such as the user's augmentation, failed in it.

    The message is one sentence, fit for the terminal.
    """


OTHERS_CODE_FAILED = 3
"""The exit status of a command that ends by an `OthersCodeError`: to try again is no use."""


class Interrupted(Exception):
    """A signal asked the run to stop, and its state has been saved."""


def imported(module: str, extra: str, who: str) -> Any:
    """Import a library that not everybody needs.

    Args:
        module: to be imported.
        extra: of this package, which brings it.
        who: needs it, for the message.

    Raises:
        ConfigError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{who} needs {module}, which cannot be imported ({error}): pip install"
            f' "procgen-drac[{extra}]"'
        ) from None


def shown(value: Any) -> str:
    """Return a value as it stands in a message, cut where it is very long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

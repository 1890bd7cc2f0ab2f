"""What Procgen's library needs of the system, in words where it is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from drac.errors import ConfigError

_MISSING = re.compile(
    r"cannot load library .*?: (?!\S*libenv)(\S+\.so\S*): cannot open shared object", re.DOTALL
)


@contextmanager
def named_if_missing() -> Iterator[None]:
    """Name the library that is missing, and the packages that bring it.

    Raises:
        ConfigError: in place of the OSError of a library that does not load for want of another.
    """
    try:
        yield
    except OSError as error:
        if missing := _MISSING.search(str(error)):
            raise ConfigError(
                f"Procgen needs the system library {missing[1]}, which is not here; on Debian and"
                f" Ubuntu: apt-get install libgl1 libglib2.0-0"
            ) from None
        raise

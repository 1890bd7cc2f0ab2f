"""States of Procgen that are drawn otherwise: another background, none, plain colours.

A state (`ProcgenVectorEnv.get_state`) holds everything that decides how an episode goes on, and
beside it how it is drawn. The functions here change one number of a state, of the second kind. So a
state and its changed copy are the same situation, and whoever continues both with the same actions
stays in the same situation until the episode ends; a test does so on all games.

Offsets are those of Procgen 0.10.7's `serialize` functions (game.cpp, basic-abstract-game.cpp).

Procgen's option `restrict_themes` is not used, because it changes no background, and changes the
situation: sprites of another shape collide otherwise (in bigfish, bossfight and fruitbot).
"""

from __future__ import annotations

import struct

NUM_BACKGROUNDS = {
    "bigfish": 7,
    "bossfight": 13,
    "caveflyer": 13,
    "chaser": 1,
    "climber": 62,
    "coinrun": 62,
    "dodgeball": 9,
    "fruitbot": 9,
    "heist": 9,
    "jumper": 62,
    "leaper": 9,
    "maze": 9,
    "miner": 62,
    "ninja": 62,
    "plunder": 4,
    "starpilot": 13,
}
"""How many background images a game draws from (resources.cpp).

Chaser has one. CoinRun shows its first alone in easy mode, though it has the others.
"""

_EPISODE = 16  # bytes of ours before Procgen's own: return and length of the episode so far
_INT = struct.Struct("<i")
_MONOCHROME, _BACKGROUNDS = 2, 4  # places among the options, which are ints
_OPTIONS = 12
_ENTITY = 31 * _INT.size


def _int(state: bytes, at: int) -> int:
    return int(_INT.unpack_from(state, at)[0])


def _replaced(state: bytes, at: int, value: int) -> bytes:
    return state[:at] + _INT.pack(value) + state[at + _INT.size :]


def _options(state: bytes) -> int:
    """Return where the options begin: after the version and the game's name."""
    name = _EPISODE + _INT.size
    return name + _INT.size + _int(state, name)


def _background(state: bytes) -> int:
    """Return where the index of the background is.

    Raises:
        ValueError: if the numbers around it are none that a state has there.
    """
    try:
        at = _options(state) + _INT.size * (_OPTIONS + 5)
        seeded = 0
        for _ in range(2):  # generators: a flag, then their state as text
            seeded += _int(state, at)
            at += _INT.size
            at += _INT.size + _int(state, at)
        at += _INT.size * 16  # reward ... is_waiting_for_step, then the size of the grid
        at += _INT.size + _ENTITY * _int(state, at)
        generated, _, _, share = struct.unpack_from("<iiff", state, at)
    except struct.error:
        raise ValueError("no state of a Procgen game, or cut off") from None
    if seeded != 2 or generated != 0 or not 0 <= share <= 1:
        raise ValueError("a state of another version of Procgen: its background was not found")
    return at + _INT.size


def background(state: bytes) -> int:
    """Return the index of a state's background among those of its game.

    Raises:
        ValueError: if this is no state of Procgen 0.10.7.
    """
    return _int(state, _background(state))


def with_background(state: bytes, game: str, index: int) -> bytes:
    """Return a state with another background image of the same game.

    Args:
        state: of `ProcgenVectorEnv.get_state`.
        game: whose state it is.
        index: in 0..NUM_BACKGROUNDS[game]-1; with another Procgen would end the process.

    Raises:
        ValueError: for an index out of range, or if this is no state of Procgen 0.10.7.
    """
    if not 0 <= index < NUM_BACKGROUNDS[game]:
        last = NUM_BACKGROUNDS[game] - 1
        raise ValueError(f"{game} has backgrounds 0..{last}, not {index}")
    return _replaced(state, _background(state), index)


def without_background(state: bytes) -> bytes:
    """Return a state whose background is black: Procgen's `use_backgrounds=False`."""
    return _replaced(state, _options(state) + _INT.size * _BACKGROUNDS, 0)


def monochrome(state: bytes) -> bytes:
    """Return a state whose objects are plain rectangles: Procgen's `use_monochrome_assets=True`."""
    return _replaced(state, _options(state) + _INT.size * _MONOCHROME, 1)

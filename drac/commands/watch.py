"""The command `drac watch`: parse, call, print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augmentations.arguments import unknown
from drac.commands import flags
from drac.commands.output import progress, tell
from drac.commands.playing import (
    DEVICES,
    PlayFlags,
    importing_torch,
    read_split,
    require_free,
    require_level,
)
from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import atomic
from drac.methods import spellings

if TYPE_CHECKING:
    from PIL import Image

    from drac.pictures.playing import Moment
    from drac.pictures.video_frames import Caption

HELP = """Make a video of episodes played by the newest checkpoint of a run, with the return so far,
the value and the probabilities of the actions beside the game. A .json of the same name lists the
episodes. Ctrl-C keeps what has been played.

example:
  drac watch results/runs/default/ppo/bigfish/seed0 --split test --out clip.mp4"""

STOPPED = 130
"""Exit status after Ctrl-C."""

_END = "the clip ends here"
_HOLD_S = 1.0  # how long an episode's last frame stays


@dataclass(kw_only=True)
class WatchFlags(PlayFlags):
    """Flags of `drac watch`."""

    run: Path = flags.positional("a run's folder", "RUN")
    level: str = flags.option("", "this one level, in place of a split", "SEED")
    episodes: str = flags.option("1", "how many, one after the other", "N")
    out: Path | None = flags.option(
        None, "a .mp4 or .gif file (default: RUN/clips/SPLIT-seedK-STEP.mp4)"
    )


def watch_command(argv: Sequence[str]) -> int:
    """`drac watch`."""
    given: WatchFlags = flags.parse(WatchFlags, argv, "drac watch", HELP)
    episodes = flags.whole_number("episodes", given.episodes, 1)
    seed = flags.whole_number("seed", given.seed, 0, below=2**31)
    flags.require_known("device", given.device, DEVICES)
    for name in ("split", "level", "out"):
        if flags.peek(argv, f"--{name}") == "":  # an unset variable of a script
            raise ConfigError(f"{name} is empty; give it a value, or leave --{name} out")
    importing_torch("drac watch")
    from drac.policy.read import kept_in, read_agent, read_run

    config = read_run(given.run)
    name, split = _played(given, config)
    if given.out:
        _require_clip(given.out)
    agent, step = read_agent(given.run, config, given.device, "drac watch")
    out = given.out or kept_in(given.run, "clips") / f"{name}-seed{seed}-step{step}.mp4"
    for path in (out, out.with_suffix(".json")):
        require_free(path, given.out is not None)
    return _film(agent, config, step, name, split, episodes, seed, out)


def _played(given: WatchFlags, config: TrainConfig) -> tuple[str, Any]:
    """Return the name and the levels of what is to be played."""
    if not given.level:
        name = given.split or "test"
        return name, read_split(name, config)
    if given.split:
        raise ConfigError(f"level {given.level} and split {given.split} exclude each other")
    level = flags.whole_number("level", given.level, 0, below=2**31 - 1)
    require_level([level], config)
    return f"level{level}", range(level, level + 1)


def _require_clip(out: Path) -> None:
    from drac.pictures.video import SUFFIXES

    if out.suffix not in SUFFIXES:
        raise ConfigError(f"out {str(out)!r}: {unknown('ending', out.suffix, SUFFIXES)}")


def _film(
    agent: Any,
    config: TrainConfig,
    step: int,
    name: str,
    split: Any,
    episodes: int,
    seed: int,
    out: Path,
) -> int:
    from drac.pictures import video
    from drac.pictures.playing import watch
    from drac.pictures.video_frames import Caption
    from drac.runs.signals import stop_requested

    caption = Caption(
        f"{spellings.name(config.method)} on {config.game}", _subtitle(config, step, name)
    )
    played: list[dict[str, Any]] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress(f"{config.game}, {name}") as on_frame, stop_requested(tell, _END) as stopping:

        def moments() -> Iterator[Moment]:
            how: Any = {"mode": config.mode, "precision": config.precision}
            how["episodes_per_trial"] = config.trial
            for moment in watch(agent, config.game, split, episodes, seed, **how):
                _note(played, moment)
                on_frame(f"{config.game}, {name}, episode {moment.number} of {episodes}, frames")
                yield moment
                if stopping():
                    return

        frames = video.write(out, _frames(moments(), caption))
        stopped = stopping()
    record = {
        "format": 1,
        "clip": out.name,
        **{key: getattr(config, key) for key in ("method", "game", "mode")},
        "run_seed": config.seed,
        "step": step,
        "split": name,
        "seed": seed,
        "frames": frames,
        "fps": video.FPS,
        "episodes": played,
    }
    atomic.write_text(out.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    _tell(out, record)
    if stopped:
        tell(f"drac watch: stopped in episode {len(played)} of {episodes}")
    return STOPPED if stopped else 0


def _subtitle(config: TrainConfig, step: int, name: str) -> str:
    where = name if name.startswith("level") else f"{name} levels"
    return f"{where}, seed {config.seed}, trained {number_of(step, 'step')}"


def _frames(moments: Iterator[Moment], caption: Caption) -> Iterator[Image.Image]:
    """Draw every moment; the last one of an episode stays for a while."""
    from drac.pictures import video, video_frames

    for moment in moments:
        frame = video_frames.paint(moment, caption)
        for _ in range(round(_HOLD_S * video.FPS) if moment.episode else 1):
            yield frame


def _note(played: list[dict[str, Any]], moment: Moment) -> None:
    """Keep what is known of the episode that a moment belongs to."""
    if len(played) < moment.number:
        played.append({})
    played[-1] = {
        "level_seed": moment.level_seed,
        "return": moment.episode.episode_return if moment.episode else moment.episode_return,
        "length": moment.step + 1,
        "finished": moment.episode is not None,
    }


def _tell(out: Path, record: dict[str, Any]) -> None:
    for episode in record["episodes"]:
        end = "" if episode["finished"] else " (stopped)"
        print(
            f"level {episode['level_seed']}: return {episode['return']:g}"
            f" after {number_of(episode['length'], 'step')}{end}"
        )
    seconds = record["frames"] / record["fps"]
    print(
        f"{out}: {number_of(record['frames'], 'frame')}, {seconds:.1f} s,"
        f" {out.stat().st_size / 1e3:,.0f} kB"
    )

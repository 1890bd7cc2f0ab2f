"""`drac watch`: the clip's frames, its format, its record; bad input; a stop in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from augmentations import as_float
from drac import cli
from drac.commands import watch as watch_command
from drac.config import TrainConfig
from drac.envs import ProcgenVectorEnv
from drac.evaluate.episodes import Episode
from drac.games import ACTIONS, NUM_ACTIONS
from drac.networks import ActorCritic
from drac.networks.lstm import RecurrentActorCritic
from drac.pictures import video, video_frames
from drac.pictures.playing import Moment, watch
from drac.pictures.video_frames import SIZE, Caption, paint
from drac.runs import checkpoint


class Right(nn.Module):
    """Mostly goes right."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(4.0))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        logits = torch.zeros(len(obs), NUM_ACTIONS)
        logits[:, 7] = self.weight
        return logits, torch.full((len(obs),), 2.5)


def saved(folder: Path, game: str = "dodgeball") -> TrainConfig:
    """A run's folder with an untrained agent."""
    config = TrainConfig(game=game, method="ppo", hidden_size=16, precision="float32")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    network = ActorCritic(NUM_ACTIONS, hidden_size=16, generator=torch.Generator().manual_seed(0))
    state = {"network": network.state_dict(), "update": 2}
    saved = {"config": config.model_dump(mode="json"), "training": state}
    checkpoint.save(folder, 2 * config.rollout_size, saved)
    return config


@torch.no_grad()
def test_a_recurrent_agent_remembers_the_episode_and_no_other() -> None:
    network = RecurrentActorCritic(NUM_ACTIONS, hidden_size=16)
    network.policy_head.weight.mul_(100)
    told = list(watch(network, "dodgeball", "test", 2))
    firsts = torch.tensor([[moment.step == 0 for moment in told]])
    assert firsts.sum() == 2
    obs = torch.from_numpy(np.stack([moment.obs for moment in told])).permute(0, 3, 1, 2)
    begun = network.initial_memory(1) | {"firsts": firsts}
    logits, values = network(as_float(obs), **begun)
    found = torch.tensor(np.stack([moment.probabilities for moment in told]))
    torch.testing.assert_close(found, logits.double().softmax(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        torch.tensor([moment.value for moment in told]), values, rtol=0, atol=1e-5
    )


def moment(**changes: Any) -> Moment:
    """A moment whose picture is grey."""
    values: dict[str, Any] = {
        "picture": np.full((512, 512, 3), 90, np.uint8),
        "obs": np.full((64, 64, 3), 200, np.uint8),
        "level_seed": 7,
        "number": 1,
        "step": 3,
        "episode_return": 1.0,
        "probabilities": np.full(NUM_ACTIONS, 1 / NUM_ACTIONS),
        "value": 0.5,
        "action": 4,
    }
    return Moment(**{**values, **changes})


def decoded(path: Path) -> tuple[Any, list[NDArray[np.uint8]]]:
    with av.open(path) as clip:
        stream = clip.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(stream)]
        context = stream.codec_context
        return (context.name, context.pix_fmt, context.width, context.height), frames


# What is seen


def test_actions_are_those_of_procgen() -> None:
    from drac.envs.procgen_env import ProcgenGym3Env

    keys = [tuple(name.lower() for name in combo) for combo in ProcgenGym3Env.get_combos(None)]
    named = [
        () if name == "no-op" else tuple(name.removeprefix("key ").lower().split("+"))
        for name in ACTIONS
    ]
    assert named == keys


def test_what_is_watched_is_what_is_played() -> None:
    """The same actions again, in an env that draws nothing."""
    seen = [*watch(Right(), "ninja", "train", 2, seed=3)]
    again = [*watch(Right(), "ninja", "train", 2, seed=3)]
    assert [one.action for one in seen] == [one.action for one in again]
    assert all((a.picture == b.picture).all() for a, b in zip(seen, again, strict=True))
    episodes = [one.episode for one in seen if one.episode]
    assert len(episodes) == 2
    assert [one.number for one in seen] == [1] * episodes[0].length + [2] * episodes[1].length
    env = ProcgenVectorEnv("ninja", 1, range(seen[0].level_seed, seen[0].level_seed + 1))
    obs, _ = env.reset()
    total = 0.0
    for step, one in enumerate(seen[: episodes[0].length]):
        assert (one.step, one.level_seed) == (step, episodes[0].level_seed)
        assert one.episode_return == pytest.approx(total)
        assert one.picture.shape == (512, 512, 3)
        np.testing.assert_array_equal(one.obs, obs[0])
        assert one.probabilities.sum() == pytest.approx(1)
        assert one.probabilities.argmax() == 7
        assert one.value == 2.5
        obs, rewards, dones, _, _ = env.step(np.array([one.action]))
        total += float(rewards[0])
    env.close()
    assert dones[0]
    assert episodes[0].episode_return == pytest.approx(total)
    assert [one for one in seen if one.action == 7]
    # The small picture is the large one, drawn smaller.
    large = seen[0].picture.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(large - seen[0].obs).mean() < 12
    with pytest.raises(ValueError, match="episodes must be at least 1"):
        next(watch(Right(), "ninja", "train", 0))


# Frames


def test_a_frame_shows_the_game_what_the_agent_sees_and_its_policy() -> None:
    caption = Caption("ppo on maze", "test levels")
    sure = np.zeros(NUM_ACTIONS)
    sure[2] = 1.0
    frame = np.asarray(paint(moment(probabilities=sure, action=2), caption))
    assert (frame.shape[1], frame.shape[0]) == SIZE
    np.testing.assert_array_equal(frame[:, :512], np.full((512, 512, 3), 90))
    assert (frame == 200).all(axis=2).sum() >= 112 * 112  # what it sees
    taken = np.array([0xFF, 0xB1, 0x4E])
    rows = np.flatnonzero((frame == taken).all(axis=2).any(axis=1))
    middle = video_frames._BARS_TOP + 2 * video_frames._BAR + video_frames._BAR // 2
    assert rows.min() < middle < rows.max() < middle + video_frames._BAR // 2


@pytest.mark.parametrize("probability", [0.25, 0.5, 1.0])
def test_bars_are_as_long_as_their_probability(probability: float) -> None:
    def length(value: float) -> int:
        probabilities = np.full(NUM_ACTIONS, (1 - value) / (NUM_ACTIONS - 1))
        probabilities[5] = value
        frame = np.asarray(paint(moment(probabilities=probabilities, action=5), Caption("a")))
        taken = (frame == np.array([0xFF, 0xB1, 0x4E])).all(axis=2)
        return int(taken.sum(axis=1).max())

    assert length(probability) == pytest.approx(probability * length(1.0), abs=1)


def test_every_word_has_room() -> None:
    """The longest names and numbers stay inside the panel, and apart from the bars."""
    font = video_frames._font(13, True)
    assert max(font.getlength(name) for name in ACTIONS) < video_frames._LABEL - 7
    assert font.getlength("100 %") <= video_frames._PERCENT
    room = video_frames.PANEL - 32 - video_frames._THUMBNAIL - 50
    assert video_frames._font(17).getlength(str(2**31 - 1)) <= room
    long = Caption("discounted-ucb-drac on starpilot " * 3, "x" * 200)
    frame = np.asarray(paint(moment(), long))
    assert (frame[:60, -16:] == np.array([0x14, 0x17, 0x1C])).all()


def test_the_last_frame_says_how_it_ended() -> None:
    over = moment(episode=Episode(7, 10.0, 4))
    different = np.asarray(paint(over, Caption("a"))) != np.asarray(paint(moment(), Caption("a")))
    assert different[468:, :512].any()
    assert not different[:468, :512].any()


# Files


def colors(number: int) -> Iterator[Image.Image]:
    for k in range(number):
        yield Image.new("RGB", (64, 48), (20 * k, 100, 255 - 20 * k))


@pytest.mark.parametrize("suffix", video.SUFFIXES)
def test_frames_come_back_from_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    assert video.write(path, colors(8)) == 8
    kind, frames = decoded(path)
    assert kind == (("h264", "yuv420p", 64, 48) if suffix == ".mp4" else ("gif", "bgra", 64, 48))
    assert len(frames) == 8
    for k, frame in enumerate(frames):
        center = frame[24, 32].astype(int)
        assert np.abs(center - [20 * k, 100, 255 - 20 * k]).max() <= (8 if suffix == ".mp4" else 40)
    data = path.read_bytes()
    if suffix == ".mp4":  # a browser can begin before all is there
        assert data.index(b"moov") < data.index(b"mdat")
    else:
        assert b"NETSCAPE2.0" in data  # it repeats
    assert [*tmp_path.iterdir()] == [path]


def test_nothing_is_left_of_a_clip_that_failed(tmp_path: Path) -> None:
    def broken() -> Iterator[Image.Image]:
        yield from colors(3)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        video.write(tmp_path / "clip.mp4", broken())
    with pytest.raises(ValueError, match="no frames"):
        video.write(tmp_path / "clip.mp4", iter(()))
    with pytest.raises(ValueError, match=r"must end in one of \.mp4, \.gif"):
        video.write(tmp_path / "clip.avi", colors(2))
    assert [*tmp_path.iterdir()] == []


# The command


def test_the_clip_lies_in_the_run_with_its_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    config = saved(run, "bossfight")  # whose level 3 ends soon
    argv = ["watch", str(run), "--level", "3", "--episodes", "2", "--seed", "3"]
    assert cli.main([*argv, "--device", "cpu"]) == 0
    step = 2 * config.rollout_size
    clip = run / "clips" / f"level3-seed3-step{step}.mp4"
    record = json.loads(clip.with_suffix(".json").read_text())
    episodes = record.pop("episodes")
    assert [set(one) for one in episodes] == [{"level_seed", "return", "length", "finished"}] * 2
    assert [one["level_seed"] for one in episodes] == [3, 3]
    assert all(one["finished"] for one in episodes)
    frames = sum(one["length"] for one in episodes) + 2 * (video.FPS - 1)
    assert record == {
        "format": 1,
        "clip": clip.name,
        "method": "ppo",
        "game": "bossfight",
        "mode": "easy",
        "run_seed": 0,
        "step": step,
        "split": "level3",
        "seed": 3,
        "frames": frames,
        "fps": 15,
    }
    kind, shown = decoded(clip)
    assert kind == ("h264", "yuv420p", *SIZE)
    assert len(shown) == frames
    out = capsys.readouterr().out
    assert out.count("level 3: return ") == 2
    assert f"{clip}: {frames} frames" in out
    text = clip.with_suffix(".json").read_text()
    assert cli.main(argv) == 0  # its own name is written anew
    assert clip.with_suffix(".json").read_text() == text
    again = decoded(clip)[1]
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(shown, again, strict=True)) < 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--out", "clip.mp5"), "unknown ending '.mp5' (did you mean '.mp4'?)"),
        (("--out", "clip"), "unknown ending ''"),
        (("--out", "there.gif"), "there.gif exists; choose another --out"),
        (("--out", "run/config.json/clip.mp4"), "config.json is a file"),
        (("--level", "-1"), "level '-1' is not a whole number"),
        (("--level", str(2**31 - 1)), "level must be below 2147483647"),
        (("--level", "3", "--split", "train"), "level 3 and split train exclude each other"),
        (("--split", "tran"), "split must be train, test or a range of levels A-B"),
        (("--episodes", "0"), "episodes must be at least 1, not 0"),
        (("--seed", str(2**31)), "seed must be below 2147483648"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--out", ""), "out is empty"),
        (("--level=",), "level is empty"),
        (("--epsiodes", "3"), "did you mean '--episodes'"),
    ],
)
def test_bad_flags_are_one_sentence(
    flags: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(Path("run"))
    Path("there.gif").touch()
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["watch", "run", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("drac watch: error: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_no_run_and_no_checkpoint_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["watch", str(tmp_path)]) == 2
    assert "is no run: it holds no config.json" in capsys.readouterr().err
    saved(tmp_path / "run")
    for path in sorted((tmp_path / "run" / "checkpoint").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert cli.main(["watch", str(tmp_path / "run")]) == 2
    assert "has no checkpoint yet" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "clip.mp4"
    saved(run, "maze")  # whose episodes are long
    drawn = 0

    def paint_and_interrupt(*given: Any) -> Image.Image:
        nonlocal drawn
        drawn += 1
        if drawn == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return paint(*given)

    monkeypatch.setattr(video_frames, "paint", paint_and_interrupt)
    assert (
        cli.main(["watch", str(run), "--episodes", "3", "--out", str(out)]) == watch_command.STOPPED
    )
    printed, err = capsys.readouterr()
    record = json.loads(out.with_suffix(".json").read_text())
    assert (record["frames"], len(record["episodes"])) == (5, 1)
    assert not record["episodes"][0]["finished"]
    assert len(decoded(out)[1]) == 5
    assert "(stopped)" in printed
    assert "stopped in episode 1 of 3" in err
    assert "SIGINT received: the clip ends here" in err

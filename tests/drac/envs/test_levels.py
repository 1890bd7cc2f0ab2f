"""Levels of our choice on real Procgen, and runs that learn which to choose."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import level_evidence
import numpy as np
import pytest
from checkout import EVIDENCE, ROOT
from procgen_runs import played, procgen_config, some_games

from drac.config import TrainConfig, build
from drac.envs import ProcgenVectorEnv
from drac.envs.chosen_levels import ChosenLevels
from drac.envs.groups import EnvGroups, procgen_groups
from drac.envs.level_sampler import episode_scores
from drac.envs.plr import Prioritized
from drac.errors import ConfigError
from drac.games import GAMES
from drac.train import iterate
from drac.train.state import Training

LEFT, PAUSE = 1, 4


def small(**options: Any) -> TrainConfig:
    """Two updates of PLR."""
    return procgen_config(**{"method": "plr", "num_steps": 64, "steps": 512, **options})


def chosen(game: str, num_envs: int, levels: range, choose: Callable[[], int]) -> ChosenLevels:
    env = ProcgenVectorEnv(game, num_envs, levels, seed=3)
    return ChosenLevels(env, lambda slot: choose(), lambda slot: choose())


def end_episodes(env: ProcgenVectorEnv) -> None:
    """End all episodes at once: Procgen takes -1 for it."""
    env._env.act(np.full(env.num_envs, -1, np.int32))
    assert env._env.observe()[2].all()


@pytest.mark.parametrize("game", some_games("coinrun", "dodgeball", "heist"))
def test_a_level_begun_by_its_state_is_the_level_of_procgens_own_reset(game: str) -> None:
    """Also what is random inside it: Procgen seeds that with the level's number."""
    level = 17
    natural = ProcgenVectorEnv(game, 3, range(level, level + 1), seed=99)
    rng = np.random.default_rng(0)
    natural.reset()
    for _ in range(30):
        natural.step(rng.integers(0, 15, 3))
    end_episodes(natural)  # what follows is begun by Procgen's own reset
    begun = ChosenLevels(
        ProcgenVectorEnv(game, 3, range(50), seed=1), lambda slot: level, lambda slot: level
    )
    obs, infos = begun.reset()
    np.testing.assert_array_equal(obs, natural.observe()[0])
    assert infos["level_seed"].tolist() == [level] * 3
    ended = np.ones(3, np.bool_)
    for _ in range(120):
        # Until it has moved, dodgeball's agent faces where it last went: see the next test.
        actions = np.where(ended, LEFT, rng.integers(0, 15, 3))
        expected = natural.step(actions)
        got = begun.step(actions)
        for mine, theirs in zip(got[:3], expected[:3], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        ended = got[2]
    natural.close()
    begun.close()


def test_the_last_episodes_direction_is_forgotten() -> None:
    """A difference to Procgen's own resets, in dodgeball alone: docs/fidelity.md, "last move"."""
    level = 17

    def after_a_pause(env: Any) -> np.ndarray:
        obs: np.ndarray = env.step(np.array([PAUSE]))[0]
        env.close()
        return obs

    natural = ProcgenVectorEnv("dodgeball", 1, range(level, level + 1))
    natural.reset()
    natural.step(np.array([LEFT]))
    end_episodes(natural)
    begun = chosen("dodgeball", 1, range(50), lambda: level)
    begun.reset()
    begun.step(np.array([LEFT]))
    begun.set_state([begun.env.initial_state(level)])
    new = ProcgenVectorEnv("dodgeball", 1, range(level, level + 1))
    left, right, fresh = map(after_a_pause, (natural, begun, new))
    np.testing.assert_array_equal(right, fresh)
    assert 0 < (left != right).any(-1).sum() < 200  # of 4,096 pixels: the agent's


def test_only_the_envs_whose_episode_ended_are_moved() -> None:
    order = itertools.cycle((7, 3, 11))
    env = chosen("starpilot", 4, range(20), lambda: next(order))
    _, infos = env.reset()
    playing = infos["level_seed"].tolist()
    assert playing == [7, 3, 11, 7]
    rng = np.random.default_rng(0)
    expected = itertools.cycle((3, 11, 7))  # four were given out
    alone = {level: first_frame("starpilot", level) for level in (3, 7, 11)}
    ends, returns = 0, np.zeros(4)
    for _ in range(300):
        before = playing.copy()
        obs, rewards, ended, _, infos = env.step(rng.integers(0, 15, 4))
        returns += rewards
        assert infos["prev_level_seed"].tolist() == before
        for i in np.flatnonzero(ended):
            assert infos["finished"]["level_seed"][i] == before[i]
            assert infos["finished"]["r"][i] == returns[i]
            returns[i] = 0
            playing[i] = next(expected)
            np.testing.assert_array_equal(obs[i], alone[playing[i]])
            ends += 1
        assert infos["level_seed"].tolist() == playing
    assert ends > 10
    env.close()


def first_frame(game: str, level: int) -> np.ndarray:
    env = ProcgenVectorEnv(game, 1, range(level, level + 1))
    frame: np.ndarray = env.reset()[0][0]
    env.close()
    return frame


@pytest.mark.parametrize("game", some_games("dodgeball"))
def test_procgen_reports_the_levels_that_were_asked_for(game: str) -> None:
    """640 episodes of a random policy on each of 16 games: 10,240 in all."""
    found = level_evidence.play(game, 640)
    assert found["mismatches"] == 0
    assert found["levels"] >= 180  # of 200, asked for 704 times


def test_a_level_that_was_not_asked_for_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    initial_state = ProcgenVectorEnv.initial_state
    monkeypatch.setattr(
        ProcgenVectorEnv,
        "initial_state",
        lambda env, level: initial_state(env, 7 if level == 8 else level),
    )
    assert level_evidence.play("coinrun", 640, ended=0.1)["mismatches"] > 0


def test_levels_of_the_same_first_frame_are_counted() -> None:
    found = level_evidence.same_frames("leaper", "easy", range(3), [9, 2, 1, 0])
    expected = {"training_levels": 3, "training_frames": 3, "test_levels": 4}
    assert found == {**expected, "equal": 3, "share": 0.75}


def test_the_committed_evidence_counts_the_first_frames_of_every_game() -> None:
    found = json.loads((EVIDENCE / "level-frames.json").read_text())["games"]
    assert list(found) == list(GAMES)
    counts = {(one["training_levels"], one["test_levels"]) for one in found.values()}
    assert counts == {(200, 1000)}
    equal = {game: one["equal"] for game, one in found.items() if one["equal"]}
    page = " ".join((ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8").split())
    said = ", ".join(f"{game} {count}" for game, count in equal.items())
    assert f": {said}, in the other {len(GAMES) - len(equal)} games none (" in page


def test_the_committed_evidence_covers_every_game() -> None:
    """10,000 episodes of each; choosing levels takes under 3 % of training, in every update."""
    evidence = EVIDENCE
    seeds = json.loads((evidence / "level-seeds.json").read_text())["games"]
    cost = json.loads((evidence / "level-cost.json").read_text())["games"]
    assert list(seeds) == list(cost) == list(GAMES)
    for game in GAMES:
        assert seeds[game]["episodes"] >= 10_000
        assert seeds[game]["mismatches"] == 0
        assert all(update["share"] < 0.03 for update in cost[game])
    shares = [100 * update["share"] for updates in cost.values() for update in updates]
    page = (evidence.parent.parent / "docs" / "methods.md").read_text(encoding="utf-8")
    assert f"It costs up to {max(shares):.1f} % of the CPU time" in page
    whole = json.loads((evidence / "level-cost-256.json").read_text())["games"]
    shares = [100 * update["share"] for updates in whole.values() for update in updates]
    assert f"{min(shares):.1f} to {max(shares):.1f} % of it in rollouts of 256" in page


def test_groups_play_what_one_group_plays() -> None:
    def played_by(number: int) -> list[Any]:
        levels = Prioritized(small(num_envs=6, seed=2))
        envs = procgen_groups(ProcgenVectorEnv("starpilot", 6, seed=5), number)
        envs, rng = envs.wrapped(levels.wrap), np.random.default_rng(0)
        envs.reset()
        seen: list[Any] = []
        for _ in range(4):
            seen += played(envs, 50)
            for level in seen[-1].tolist():
                levels.sampler.update(level, float(rng.random()))
        states = envs.get_state()
        envs.close()
        return [*seen, states]

    expected = played_by(1)
    assert len({level for levels in expected[2:100:2] for level in levels.tolist()}) > 6
    for number in (2, 3):
        np.testing.assert_equal(played_by(number), expected)


def test_the_levels_of_the_rollout_are_those_played() -> None:
    training = Training(small(env_groups=2))
    told = np.zeros((2, 64, 4), np.int64)
    now = np.concatenate([part.observe()[1]["level_seed"] for part in training.env._parts])
    receive, counts = training.env.receive, Counter[int]()

    def spy(group: int) -> Any:
        rows = training.env.rows[group]
        update, t = divmod(counts[group], 64)
        told[update, t, rows] = now[rows]
        out = receive(group)
        now[rows] = out[3]["level_seed"]
        counts[group] += 1
        return out

    training.env.receive = spy  # type: ignore[method-assign]
    for number, _ in enumerate(iterate(training)):
        np.testing.assert_array_equal(training.rollout.level_seeds, told[number])
    assert len(np.unique(told)) > 4
    training.env.close()


def test_scores_are_the_mean_absolute_advantages_of_the_rollout() -> None:
    training = Training(small(steps=256))
    next(iterate(training))
    rollout, sampler = training.rollout, training.levels.sampler  # type: ignore[attr-defined]
    advantages, dones = rollout.advantages.numpy(), rollout.dones.numpy()
    expected = dict(episode_scores(advantages, dones, rollout.level_seeds, "value-l1"))
    assert len(expected) > 4
    assert np.flatnonzero(sampler.seen).tolist() == sorted(expected)
    for level, score in expected.items():
        assert sampler.scores[level] == pytest.approx(score, rel=1e-6)
    training.env.close()


def test_what_is_replayed_is_the_level_of_the_highest_score() -> None:
    """What would fail if the method were PPO: no chance, no new levels, one level is played."""
    options = {"plr_replay": 1.0, "plr_staleness": 0.0, "plr_temperature": 0.01}
    training = Training(small(**options, steps=1024))
    rollout, sampler = training.rollout, training.levels.sampler  # type: ignore[attr-defined]
    updates = iterate(training)
    next(updates)
    replayed = []
    for _ in range(3):
        best = int(np.argmax(sampler.scores))
        next(updates)
        begun = rollout.level_seeds[1:][rollout.dones[:-1].numpy()].tolist()
        assert {*begun} <= {best}
        replayed += begun
    assert len(replayed) > 5
    training.env.close()


def test_levels_that_end_anew_are_new_ones_in_the_released_code() -> None:
    """There nothing is replayed before every level has been seen."""
    training = Training(small(fidelity="released", levels="0-999", steps=1024))
    assert training.config.plr_min_seen == 1
    seen: set[int] = set()
    for _ in iterate(training):
        rollout = training.rollout
        begun = set(rollout.level_seeds[1:][rollout.dones[:-1].numpy()].tolist())
        assert not begun & seen
        seen |= {*rollout.level_seeds.ravel().tolist()}
    assert len(seen) > 10
    training.env.close()


def test_levels_without_end_are_refused() -> None:
    env = ProcgenVectorEnv("maze", 2, "test")
    with pytest.raises(ConfigError, match="needs a finite set of training levels") as caught:
        EnvGroups([env]).wrapped(Prioritized(small()).wrap)
    assert "\n" not in str(caught.value)
    env.close()
    other = gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")])
    with pytest.raises(ConfigError, match="chooses among Procgen's levels"):
        Prioritized(small()).wrap(other)
    other.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": "test"}, "levels 'test' must be A-B"),
        ({"levels": "0-10000"}, "levels '0-10000' are 10,001; method 'plr' chooses among 10,000"),
        ({"plr_replay": 1.5}, "plr_replay 1.5 must be 'proportionate' or a probability in 0..1"),
        ({"plr_replay": "never"}, "plr_replay 'never' must be 'proportionate' or"),
        ({"plr_temperature": 0}, "plr_temperature 0 is not possible"),
        ({"plr_staleness": 1.1}, "plr_staleness 1.1 is not possible"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build({"method": "plr", **options})
    assert "\n" not in str(caught.value)
    assert build({"method": "ppo", "levels": "0-10000"}).train_levels == range(10_001)


def test_a_probability_of_replay_survives_the_file(tmp_path: Path) -> None:
    config = build({"method": "plr", "plr_replay": "0.25"})
    assert config.plr_replay == 0.25
    (tmp_path / "config.json").write_text(config.to_json())
    assert TrainConfig.from_json(tmp_path / "config.json") == config

"""Whole runs: the same bits straight and continued; their files; what is refused."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from procgen_runs import procgen_config
from recording import Recording
from tiny_runs import Numbers, assert_same_run, rows, state, tables, tiny_config, tiny_training

from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.policy.agent import load_agent
from drac.runs import checkpoint
from drac.runs.logs import ARM_COLUMNS, EVAL_COLUMNS, PROGRESS_COLUMNS
from drac.stats import Report
from drac.train import iterate, train
from drac.train.session import TrainResult
from drac.train.state import Training

# On real Procgen


METHODS = [
    {
        "method": "ucb-drac",
        "arms": ("cutout-color", "flip", "color-jitter"),
        "ucb_initial": "try-each-once",
        "ucb_reward": "standardized",
        "fidelity": "released",
    },
    {"method": "rand-fm", "eval_filters": 2},
]
MORE: list[dict[str, Any]] = [
    {"method": "ppo"},
    {"method": "drac-random-conv", "fidelity": "released"},
    {
        "method": "ucb-drac",
        "arms": ("cutout-color", "flip", "crop"),
        "ucb_initial": "try-each-once",
    },
    {"method": "ibac-sni", "latent_samples": 2},
    {"method": "mixreg"},
]


@pytest.mark.parametrize(
    "options",
    [*METHODS, *(pytest.param(options, marks=pytest.mark.full) for options in MORE)],
    ids=lambda options: "-".join(map(str, options.values()))[:40],
)
def test_a_run_that_is_given_more_steps_ends_with_the_same_bits(
    options: dict[str, Any], tmp_path: Path
) -> None:
    train(procgen_config(**options), tmp_path / "straight")
    for steps in (64, 192):
        train(procgen_config(**options, steps=steps), tmp_path / "continued")
    straight, continued = tables(tmp_path / "straight"), tables(tmp_path / "continued")
    assert continued["progress.csv"] == straight["progress.csv"]
    assert continued["arms.csv"] == straight["arms.csv"]
    last = [row for row in continued["eval.csv"] if row["step"] == "192"]
    assert last == straight["eval.csv"]
    one, other = (state(tmp_path / name)["training"] for name in ("straight", "continued"))
    assert all(torch.equal(one["network"][name], other["network"][name]) for name in one["network"])


@dataclass
class Watched:
    """A run of UCB-DrAC that was evaluated after each of its three updates."""

    folder: Path
    config: TrainConfig
    recording: Recording
    result: TrainResult
    drew: bool  # from torch's global generator


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder, recording = tmp_path_factory.mktemp("watched"), Recording()
    config = procgen_config(
        method="ucb-drac", arms=("crop", "flip"), eval_every=64, eval_episodes=2
    )
    before = torch.get_rng_state()
    result = train(config, folder, recording)
    drew = not torch.equal(torch.get_rng_state(), before)
    return Watched(folder, config, recording, result, drew)


def test_evaluating_in_between_does_not_change_the_training(
    watched: Watched, tmp_path: Path
) -> None:
    train(watched.config.model_copy(update={"eval_every": 0}), tmp_path)
    assert rows(tmp_path, "progress") == rows(watched.folder, "progress")
    assert [row["step"] for row in rows(watched.folder, "eval")] == [
        step for step in ("64", "128", "192") for _ in range(4)
    ]
    assert not watched.drew


def test_the_files_of_a_run(watched: Watched) -> None:
    folder = watched.folder
    columns = {"progress": PROGRESS_COLUMNS, "arms": ARM_COLUMNS, "eval": EVAL_COLUMNS}
    for name, expected in columns.items():
        header = (folder / f"{name}.csv").read_text().partition("\n")[0]
        assert header == ",".join(expected)
    assert [row["step"] for row in rows(folder, "progress")] == ["64", "128", "192"]
    last = [row for row in rows(folder, "eval") if row["step"] == "192"]
    assert [row["split"] for row in last] == ["train"] * 2 + ["test"] * 2
    assert TrainConfig.from_json(folder / "config.json") == watched.config
    meta = json.loads((folder / "meta.json").read_text())
    for key in ("versions", "procgen_build", "device", "cpu", "precision", "wall_s", "commit"):
        assert key in meta
    assert meta["steps"] == watched.result.steps == 192
    assert meta["wall_s"] > 0
    train_mean, test_mean = (
        sum(float(row["return"]) for row in last if row["split"] == split) / 2
        for split in ("train", "test")
    )
    assert (watched.result.train_return, watched.result.test_return) == (train_mean, test_mean)


def test_progress_is_steady_and_ends_at_the_total(watched: Watched) -> None:
    steps = watched.recording.steps
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(192)
    assert len(steps) == 3 * (16 + 4)


@pytest.mark.parametrize("method", ["ppo", "rand-fm", "ibac-sni", "daac", "idaac"])
def test_the_agent_of_a_run_is_its_method_s_network(method: str, tmp_path: Path) -> None:
    """It has the checkpoint's weights, and plays as the trained network does in evaluations."""
    config = procgen_config(method=method, steps=64)
    with pytest.raises(ConfigError, match="has no checkpoint yet"):
        load_agent(tmp_path, config)
    training = Training(config)
    next(iterate(training))
    saved = {"config": config.model_dump(mode="json"), "training": training.state_dict()}
    checkpoint.save(tmp_path, training.step, saved)
    training.env.close()
    agent, step = load_agent(tmp_path, config)
    network = training.network
    assert step == 64
    assert type(agent) is type(network)
    weights = network.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in agent.state_dict().items())
    obs = torch.from_numpy(training.obs).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        assert all(map(torch.equal, agent.cpu()(obs), network.eval()(obs)))
        acting = network.train()(obs)[0]
        assert torch.equal(acting, agent(obs)[0]) == (method != "rand-fm")
    with pytest.raises(ConfigError, match="does not fit"):
        load_agent(tmp_path, procgen_config(method=method, hidden_size=8))


# On an env of numbers


def test_another_seed_gives_another_run(tiny: None, tmp_path: Path) -> None:
    for seed in (0, 1):
        train(tiny_config(seed=seed), tmp_path / str(seed))
    one, other = (state(tmp_path / name)["training"]["network"] for name in ("0", "1"))
    assert not torch.equal(one["fc.weight"], other["fc.weight"])
    assert rows(tmp_path / "0", "progress") != rows(tmp_path / "1", "progress")


def test_bf16_repeats_as_well(tiny: None, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(tiny_config(method="drac-crop", precision="bf16"), tmp_path / name)
    assert_same_run(tmp_path / "one", tmp_path / "two")


def test_arms_csv_is_the_bandits_record(tiny: None, tmp_path: Path) -> None:
    """Counts, means and scores of every arm, recomputed from progress.csv by the definition."""
    arms = ("crop", "flip", "rotate")
    train(tiny_config(method="ucb-drac", arms=arms, steps=8 * 40, eval_every=0), tmp_path)
    progress, table = rows(tmp_path, "progress"), rows(tmp_path, "arms")
    rewards: dict[str, list[float]] = {arm: [] for arm in arms}
    chosen: list[str] = []
    for update, row in enumerate(progress):
        if chosen:  # the first update credits nothing; later ones the arm of the update before
            rewards[chosen[-1]].append(float(row["bandit_reward"]))
        here = table[update * 3 : update * 3 + 3]
        assert [r["arm"] for r in here] == list(arms)
        chosen.append(row["arm"])
        for r in here:
            credited = rewards[r["arm"]][-10:]
            mean = sum(credited) / len(credited) if credited else 0.0
            assert float(r["mean"]) == pytest.approx(mean, abs=1e-12)
            assert int(r["count"]) == chosen.count(r["arm"])
            assert r["selected"] == str(int(r["arm"] == row["arm"]))
        assert row["arm"] == max(here, key=lambda r: float(r["score"]))["arm"]
    assert len(chosen) == 40
    assert max(map(len, rewards.values())) > 10  # the window


def test_the_first_update_credits_nothing_and_the_reward_is_the_mean_return() -> None:
    for fidelity, rows_averaged in (("paper", 4), ("released", 5)):
        training = tiny_training(tiny_config(method="ucb-drac", fidelity=fidelity))
        credited: list[Any] = []
        training.selector.update = lambda *args: credited.append(args)  # type: ignore[method-assign] # noqa: B023
        report = next(iterate(training))
        expected = training.rollout.returns.sum().item() / (rows_averaged * 2)
        assert report.bandit_reward == pytest.approx(expected, rel=1e-5)
        assert credited == []


def test_training_returns_are_those_of_finished_episodes() -> None:
    """An independent count over the env's infos."""
    training = tiny_training(tiny_config(steps=8 * 60))
    seen: list[float] = []
    receive = training.env.receive

    def spy(group: int) -> Any:
        out = receive(group)
        if "finished" in out[3]:
            seen.extend(out[3]["finished"]["r"][out[3]["_finished"]])
        return out

    training.env.receive = spy  # type: ignore[method-assign]
    without = 0
    for report in iterate(training):
        assert report.episodes == len(seen)
        if seen:
            assert report.train_return == pytest.approx(sum(seen[-100:]) / len(seen[-100:]))
        else:
            assert report.train_return is None
            without += 1
    assert without
    assert len({*seen}) > 1


def test_the_share_of_envs_that_have_ended_an_episode_is_exact() -> None:
    """Their first episodes end after 1, 3, 5 and 7 steps; an update has two."""
    config = tiny_config(num_envs=4, num_steps=2, steps=8 * 5)

    def make() -> Training:
        env = Numbers(4)
        env.time += (6, 4, 2, 0)  # an episode ends where it is a multiple of seven
        return Training(config, env)

    training, shares = make(), []
    for report in iterate(training):
        shares.append(report.envs_ended)
        assert report.train_episodes == report.episodes
        continued = make()
        continued.load_state_dict(training.state_dict())
        assert continued.ended.tolist() == training.ended.tolist()
    assert shares == [0.25, 0.5, 0.75, 1, 1]
    before = training.state_dict()
    del before["ended"]  # of an earlier version, which took no note
    continued = make()
    continued.load_state_dict(before)
    assert continued.ended.all()


@pytest.mark.parametrize("method", ["rand-fm", "ibac-sni", "mixreg"])
def test_the_method_s_own_loss_is_logged(method: str, tiny: None, tmp_path: Path) -> None:
    train(tiny_config(method=method, steps=8), tmp_path)
    logged = float(rows(tmp_path, "progress")[0]["extra_loss"])
    assert (logged > 0) == (method != "mixreg")


def test_released_augmentations_are_wired_in() -> None:
    """The fidelity preset reaches the augmentations; an explicit argument wins."""
    paper, released = (
        tiny_training(tiny_config(method="ucb-drac", fidelity=fidelity)).augmentations
        for fidelity in ("paper", "released")
    )
    assert (paper["flip"].axis, released["flip"].axis) == ("horizontal", "vertical")  # type: ignore[union-attr]
    assert paper["cutout-color"].color_scale == "unit"  # type: ignore[union-attr]
    assert released["cutout-color"].color_scale == "released"  # type: ignore[union-attr]
    spec = "flip(axis='horizontal')"
    own = tiny_training(tiny_config(method="drac", augmentation=spec, fidelity="released"))
    assert own.augmentations[spec].axis == "horizontal"  # type: ignore[union-attr]


# What is refused, and what is left alone


def test_a_complete_run_is_left_as_it_is(tiny: None, tmp_path: Path) -> None:
    first = train(tiny_config(), tmp_path)
    before, recording = tables(tmp_path), Recording()
    assert train(tiny_config(), tmp_path, recording) == first
    assert recording.reports == []
    assert "is complete" in recording.said[0]
    assert tables(tmp_path) == before


def test_two_runs_cannot_share_a_folder(tiny: None, tmp_path: Path) -> None:
    """Here the second is called from within the first."""
    refused: list[str] = []

    class Second(Recording):
        def updated(self, report: Report, sps: float) -> None:
            with pytest.raises(ConfigError) as error:
                train(tiny_config(), tmp_path)
            refused.append(str(error.value))

    train(tiny_config(steps=8), tmp_path, Second())
    assert f"in use by process {os.getpid()}" in refused[0]


def test_a_folder_with_another_config_is_refused_and_untouched(tiny: None, tmp_path: Path) -> None:
    train(tiny_config(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for options, message in (
        ({"clip": 0.3}, r"clip is 0\.2 there and 0\.3 here"),
        ({"steps": 16}, "reached step 24, more than the 16 asked for"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(tiny_config(**options), tmp_path)
        assert {path: path.read_bytes() for path in before} == before


def test_training_in_a_thread_works_without_signal_handlers(tiny: None, tmp_path: Path) -> None:
    """Ray and notebooks run us outside the main thread, where no handler may be set."""
    results: list[TrainResult] = []
    worker = threading.Thread(target=lambda: results.append(train(tiny_config(), tmp_path)))
    worker.start()
    worker.join()
    assert results[0].steps == 24


def test_a_rollout_beyond_the_memory_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x num_steps 1048576, take .* GB and cpu has"):
        train(
            TrainConfig(method="ppo", num_steps=2**20, num_envs=4096, steps="1e10"), tmp_path / "a"
        )
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("2 GB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_used_up_memory_is_one_sentence(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    config = tiny_config(steps=8)
    with monkeypatch.context() as patch:
        patch.setattr("drac.train.loop.Training", fail)
        with pytest.raises(ConfigError, match="does not fit into the memory of cpu") as refused:
            train(config, tmp_path)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "config.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("drac.train.loop.collect", fail)
        with pytest.raises(MemoryError, match="memory is used up .*; the log is"):
            train(config, tmp_path)
    assert train(config, tmp_path).steps == 8

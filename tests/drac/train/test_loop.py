"""Whole runs on real Procgen: same seed, same bits; continued runs; files; interruption."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from drac.config import TrainConfig
from drac.errors import ConfigError, Interrupted
from drac.policy.agent import load_agent
from drac.runs import checkpoint
from drac.runs.logs import ARM_COLUMNS, EVAL_COLUMNS, PROGRESS_COLUMNS, TIMING_COLUMNS
from drac.stats import Report
from drac.train import iterate, train
from drac.train.session import Watcher
from drac.train.state import Training

SMALL: dict[str, Any] = {
    "game": "starpilot",
    "num_envs": 4,
    "num_steps": 16,
    "steps": 192,  # three updates
    "minibatches": 4,
    "epochs": 1,
    "hidden_size": 16,
    "eval_episodes": 2,
    "eval_every": 0,
    "device": "cpu",
    "precision": "float32",
    "threads": 1,
    "env_groups": 1,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bits depend on the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(**options: Any) -> TrainConfig:
    return TrainConfig(**{**SMALL, **options})


def rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file without the columns that measure time."""
    with path.open(newline="") as file:
        return [
            {key: value for key, value in row.items() if key not in TIMING_COLUMNS}
            for row in csv.DictReader(file)
        ]


def files_of(run_dir: Path) -> dict[str, list[dict[str, str]]]:
    return {name: rows(run_dir / f"{name}.csv") for name in ("progress", "arms", "eval")}


def weights_of(run_dir: Path) -> dict[str, torch.Tensor]:
    path = checkpoint.newest(run_dir)
    assert path
    weights: dict[str, torch.Tensor] = checkpoint.load(path)["training"]["network"]
    return weights


def same_bits(first: Path, second: Path) -> bool:
    one, other = weights_of(first), weights_of(second)
    equal = all(torch.equal(one[name], other[name]) for name in one)
    return equal and files_of(first) == files_of(second)


METHODS = [
    {"method": "ppo"},
    {"method": "drac-random-conv", "fidelity": "released"},
    {
        "method": "ucb-drac",
        "arms": ("cutout-color", "flip", "crop"),
        "ucb_initial": "try-each-once",
    },
    {
        "method": "ucb-drac",
        "arms": ("cutout-color", "flip", "color-jitter"),
        "ucb_initial": "try-each-once",
        "ucb_reward": "standardized",
        "fidelity": "released",
    },
    {"method": "rand-fm", "eval_filters": 2},
    {"method": "ibac-sni", "latent_samples": 2},
    {"method": "mixreg"},
]


@pytest.mark.parametrize("options", METHODS, ids=lambda o: "-".join(map(str, o.values()))[:40])
def test_same_seed_same_bits_also_when_continued(options: dict[str, Any], tmp_path: Path) -> None:
    """Twice the same; then one update, and the rest by a larger number of steps."""
    train(small(**options), tmp_path / "one")
    train(small(**options), tmp_path / "two")
    assert same_bits(tmp_path / "one", tmp_path / "two")
    train(small(**options, steps=64), tmp_path / "continued")
    train(small(**options), tmp_path / "continued")
    straight, continued = files_of(tmp_path / "one"), files_of(tmp_path / "continued")
    assert continued["progress"] == straight["progress"]
    assert continued["arms"] == straight["arms"]
    assert [row for row in continued["eval"] if row["step"] == "192"] == straight["eval"]
    one, other = weights_of(tmp_path / "one"), weights_of(tmp_path / "continued")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    train(small(method="ppo"), tmp_path / "one")
    train(small(method="ppo", seed=1), tmp_path / "two")
    one, other = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert not torch.equal(one["fc.weight"], other["fc.weight"])
    assert rows(tmp_path / "one/progress.csv") != rows(tmp_path / "two/progress.csv")


def test_bf16_repeats_as_well(tmp_path: Path) -> None:
    config = small(method="drac-crop", precision="bf16", steps=64)
    train(config, tmp_path / "one")
    train(config, tmp_path / "two")
    assert same_bits(tmp_path / "one", tmp_path / "two")


def test_evaluating_in_between_does_not_change_the_training(tmp_path: Path) -> None:
    train(small(method="ppo"), tmp_path / "plain")
    train(small(method="ppo", eval_every=64), tmp_path / "watched")
    plain, watched = files_of(tmp_path / "plain"), files_of(tmp_path / "watched")
    assert plain["progress"] == watched["progress"]
    assert [row["step"] for row in watched["eval"]] == [
        step for step in ("64", "128", "192") for _ in range(4)
    ]


def test_nothing_draws_from_the_global_generators(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    train(small(method="ucb-drac", steps=64), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_files_of_a_run(tmp_path: Path) -> None:
    result = train(small(method="ucb-drac", arms=("crop", "flip")), tmp_path)
    columns = {"progress": PROGRESS_COLUMNS, "arms": ARM_COLUMNS, "eval": EVAL_COLUMNS}
    for name, expected in columns.items():
        header = (tmp_path / f"{name}.csv").read_text().partition("\n")[0]
        assert header == ",".join(expected)
    files = files_of(tmp_path)
    assert [row["step"] for row in files["progress"]] == ["64", "128", "192"]
    assert [(row["split"]) for row in files["eval"]] == ["train"] * 2 + ["test"] * 2
    assert {row["step"] for row in files["eval"]} == {"192"}
    assert TrainConfig.from_json(tmp_path / "config.json") == small(
        method="ucb-drac", arms=("crop", "flip")
    )
    meta = json.loads((tmp_path / "meta.json").read_text())
    for key in ("versions", "procgen_build", "device", "cpu", "precision", "wall_s", "commit"):
        assert key in meta
    assert meta["steps"] == result.steps == 192
    assert meta["wall_s"] > 0
    means = {
        split: sum(float(r["return"]) for r in files["eval"] if r["split"] == split) / 2
        for split in ("train", "test")
    }
    assert (result.train_return, result.test_return) == (means["train"], means["test"])


def test_arms_csv_is_the_bandits_record(tmp_path: Path) -> None:
    """Counts, means and scores of every arm, recomputed from progress.csv by the definition."""
    arms = ("crop", "flip", "rotate")
    train(small(method="ucb-drac", arms=arms, steps=640), tmp_path)
    progress, table = rows(tmp_path / "progress.csv"), rows(tmp_path / "arms.csv")
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


def test_the_first_update_credits_nothing_and_the_reward_is_the_mean_return() -> None:
    for fidelity, rows_averaged in (("paper", 16), ("released", 17)):
        training = Training(small(method="ucb-drac", fidelity=fidelity, steps=64))
        credited: list[Any] = []
        training.selector.update = lambda *args: credited.append(args)  # type: ignore[method-assign] # noqa: B023
        report = next(iterate(training))
        expected = training.rollout.returns.sum().item() / (rows_averaged * 4)
        assert report.bandit_reward == pytest.approx(expected, rel=1e-5)
        assert credited == []
        training.env.close()


def test_training_returns_are_those_of_finished_episodes(tmp_path: Path) -> None:
    """An independent count over the env's infos."""
    training = Training(small(method="ppo", game="starpilot", steps=640))
    seen: list[float] = []
    receive = training.env.receive

    def spy(group: int) -> Any:
        out = receive(group)
        if "episode" in out[3]:
            seen.extend(out[3]["episode"]["r"][out[3]["_episode"]])
        return out

    training.env.receive = spy  # type: ignore[method-assign]
    for report in iterate(training):
        assert report.episodes == len(seen)
        if seen:
            assert report.train_return == pytest.approx(sum(seen[-100:]) / len(seen[-100:]))
        else:
            assert report.train_return is None
    assert seen
    training.env.close()


class Recorder(Watcher):
    """Remembers what it is told, and may send a signal after an update."""

    def __init__(self, signal_at: int | None = None) -> None:
        self.steps: list[float] = []
        self.reports: list[Report] = []
        self.messages: list[str] = []
        self.signal_at = signal_at

    def progress(self, step: float) -> None:
        self.steps.append(step)

    def updated(self, report: Report, sps: float) -> None:
        self.reports.append(report)
        if report.update == self.signal_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_progress_is_steady_and_ends_at_the_total(tmp_path: Path) -> None:
    recorder = Recorder()
    train(small(method="ppo"), tmp_path, recorder)
    assert recorder.steps == sorted(recorder.steps)
    assert recorder.steps[-1] == pytest.approx(192)
    assert len(recorder.steps) == 3 * (16 + 4)


def test_a_signal_saves_and_the_same_call_continues(tmp_path: Path) -> None:
    config = small(method="ucb-drac")
    with pytest.raises(Interrupted, match="saved at step 128; the same command continues"):
        train(config, tmp_path / "stopped", Recorder(signal_at=2))
    train(config, tmp_path / "stopped")
    train(config, tmp_path / "straight")
    assert same_bits(tmp_path / "stopped", tmp_path / "straight")


def test_an_evaluation_that_a_signal_came_before_is_made_up_for(tmp_path: Path) -> None:
    config = small(method="ppo", eval_every=64)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "stopped", Recorder(signal_at=1))
    train(config, tmp_path / "stopped")
    train(config, tmp_path / "straight")
    assert same_bits(tmp_path / "stopped", tmp_path / "straight")


def test_a_run_killed_between_checkpoints_loses_only_the_steps_since(tmp_path: Path) -> None:
    """Logs that are ahead of the checkpoint are cut back to it."""

    class Killed(Recorder):
        def updated(self, report: Report, sps: float) -> None:
            if report.update == 2:
                raise RuntimeError("power cut")

    config = small(method="ppo", checkpoint_every=0)  # after every update
    with pytest.raises(RuntimeError, match="power cut"):
        train(config, tmp_path / "killed", Killed())
    assert len(rows(tmp_path / "killed/progress.csv")) == 2
    train(config, tmp_path / "killed")
    train(config, tmp_path / "straight")
    assert same_bits(tmp_path / "killed", tmp_path / "straight")


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_used(tmp_path: Path) -> None:
    config = small(method="ppo", checkpoint_every=0)
    with pytest.raises(Interrupted):
        train(config, tmp_path / "damaged", Recorder(signal_at=2))
    path = checkpoint.newest(tmp_path / "damaged")
    assert path
    path.write_bytes(path.read_bytes()[:1000])
    recorder = Recorder()
    train(config, tmp_path / "damaged", recorder)
    assert "is damaged and was set aside; continuing from step_000000000064.pt" in "".join(
        recorder.messages
    )
    assert path.with_suffix(".damaged").stat().st_size == 1000
    train(config, tmp_path / "straight")
    assert same_bits(tmp_path / "damaged", tmp_path / "straight")


def test_without_any_good_checkpoint_nothing_is_begun_anew(tmp_path: Path) -> None:
    train(small(method="ppo", steps=64), tmp_path)
    path = checkpoint.newest(tmp_path)
    assert path
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be read as a checkpoint"):
        train(small(method="ppo"), tmp_path)
    assert path.exists()
    assert len(rows(tmp_path / "progress.csv")) == 1


def test_a_complete_run_is_left_as_it_is(tmp_path: Path) -> None:
    config = small(method="ppo", steps=64)
    first = train(config, tmp_path)
    before = files_of(tmp_path)
    recorder = Recorder()
    assert train(config, tmp_path, recorder) == first
    assert recorder.reports == []
    assert "is complete" in recorder.messages[0]
    assert files_of(tmp_path) == before


def test_two_processes_cannot_share_a_folder(tmp_path: Path) -> None:
    """Here the second is called from within the first."""
    refused: list[str] = []

    class Second(Recorder):
        def updated(self, report: Report, sps: float) -> None:
            with pytest.raises(ConfigError) as error:
                train(small(method="ppo"), tmp_path)
            refused.append(str(error.value))

    train(small(method="ppo", steps=64), tmp_path, Second())
    assert f"in use by process {os.getpid()}" in refused[0]


def test_a_folder_with_another_config_is_refused_and_untouched(tmp_path: Path) -> None:
    train(small(method="ppo", steps=64), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"clip is 0\.2 there and 0\.3 here"):
        train(small(method="ppo", steps=64, clip=0.3), tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    train(small(method="ppo", steps=128), tmp_path)
    with pytest.raises(ConfigError, match="reached step 128, more than the 64 asked for"):
        train(small(method="ppo", steps=64), tmp_path)


def test_training_in_a_thread_works_without_signal_handlers(tmp_path: Path) -> None:
    """Ray and notebooks run us outside the main thread, where no handler may be set."""
    results: list[Any] = []
    worker = threading.Thread(
        target=lambda: results.append(train(small(method="ppo", steps=64), tmp_path))
    )
    worker.start()
    worker.join()
    assert results[0].steps == 64


def test_the_agent_of_a_run_can_be_loaded(tmp_path: Path) -> None:
    config = small(method="ppo", steps=64)
    with pytest.raises(ConfigError, match="has no checkpoint yet"):
        load_agent(tmp_path, config)
    train(config, tmp_path)
    agent, step = load_agent(tmp_path, config)
    assert step == 64
    weights = weights_of(tmp_path)
    assert all(torch.equal(weights[n], w.cpu()) for n, w in agent.state_dict().items())
    with pytest.raises(ConfigError, match="does not fit"):
        load_agent(tmp_path, small(method="ppo", hidden_size=8))


@pytest.mark.parametrize("method", ["rand-fm", "ibac-sni"])
def test_the_agent_of_a_run_is_its_method_s_network(method: str, tmp_path: Path) -> None:
    """It plays as the trained network does when it is evaluated."""
    config = small(method=method, steps=64, eval_every=64)
    training = Training(config)
    for _ in iterate(training):
        pass
    training.env.close()
    train(config, tmp_path)
    agent, _ = load_agent(tmp_path, config)
    assert type(agent) is type(training.network)
    obs = torch.from_numpy(training.obs).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        assert all(map(torch.equal, agent.cpu()(obs), training.network.eval()(obs)))
        acting = training.network.train()(obs)[0]
        assert torch.equal(acting, agent(obs)[0]) == (method == "ibac-sni")


def test_the_method_s_own_loss_is_logged(tmp_path: Path) -> None:
    for method in ("rand-fm", "ibac-sni", "mixreg"):
        train(small(method=method, steps=64), tmp_path / method)
        logged = float(rows(tmp_path / method / "progress.csv")[0]["extra_loss"])
        assert (logged > 0) == (method != "mixreg")


def test_released_augmentations_are_wired_in() -> None:
    """The fidelity preset reaches the augmentations; an explicit argument wins."""
    paper = Training(small(method="ucb-drac")).augmentations
    released = Training(small(method="ucb-drac", fidelity="released")).augmentations
    assert (paper["flip"].axis, released["flip"].axis) == ("horizontal", "vertical")  # type: ignore[union-attr]
    assert paper["cutout-color"].color_scale == "unit"  # type: ignore[union-attr]
    assert released["cutout-color"].color_scale == "released"  # type: ignore[union-attr]
    spec = "flip(axis='horizontal')"
    own = Training(small(method="drac", augmentation=spec, fidelity="released"))
    assert own.augmentations[spec].axis == "horizontal"  # type: ignore[union-attr]


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*args: object) -> None:
        raise error

    config = small(method="ppo", steps=64)
    with monkeypatch.context() as patch:
        patch.setattr("drac.train.loop.Training", fail)
        with pytest.raises(ConfigError, match="does not fit into the memory of cpu") as refused:
            train(config, tmp_path)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "config.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("drac.train.loop.collect", fail)
        with pytest.raises(MemoryError, match="memory is used up .* there is no checkpoint yet"):
            train(config, tmp_path)
    assert train(config, tmp_path).steps == 64

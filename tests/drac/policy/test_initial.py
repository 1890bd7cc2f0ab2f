"""Runs that begin with trained weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from small_runs import same, small_config, small_run

from drac import policy
from drac.errors import ConfigError
from drac.policy.agent import load_agent
from drac.policy.initial import initial_network
from drac.runs import checkpoint
from drac.train import train

LEVELS = "1000-1019"


def begin(source: Path | str, **options: Any) -> Any:
    return small_config(levels=LEVELS, init_from=str(source), **options)


def test_a_run_and_what_was_exported_of_it_are_the_same_beginning(tmp_path: Path) -> None:
    of = small_run(tmp_path / "run", seed=3)
    policy.export(tmp_path / "run", tmp_path / "policy.safetensors")
    agent, step = load_agent(tmp_path / "run", of, "cpu")
    found = [initial_network(begin(tmp_path / name)) for name in ("run", "policy.safetensors")]
    for each in found:
        assert each is not None
        network, facts = each
        assert same(dict(network.state_dict()), dict(agent.state_dict()))
        known = {"method": "ppo", "game": "bigfish", "levels": "0-199", "seed": 3, "step": step}
        assert facts.items() >= known.items()
    assert len({each[1]["weights_sha256"] for each in found if each}) == 1
    assert initial_network(small_config()) is None


def test_game_method_and_seed_are_filled_in(tmp_path: Path) -> None:
    small_run(tmp_path / "ppo/maze/seed4")
    config = begin(f"{tmp_path}/{{method}}/{{game}}/seed{{seed}}", game="maze", seed=4)
    found = initial_network(config)
    assert found is not None
    assert found[1]["source"] == f"{tmp_path}/ppo/maze/seed4"


def test_training_goes_on_from_the_weights_and_no_longer_needs_them(tmp_path: Path) -> None:
    of = small_run(tmp_path / "source")
    agent, _ = load_agent(tmp_path / "source", of, "cpu")
    # A step so small that float32 does not see it: what is trained is what was begun with.
    options = {"learning_rate": 1e-30, "epochs": 1, "checkpoint_every": 0}
    train(begin(tmp_path / "source", **options), tmp_path / "run")
    path = checkpoint.newest(tmp_path / "run")
    assert path is not None
    weights = checkpoint.load(path)["training"]["network"]
    assert same(dict(weights), dict(agent.state_dict()))
    meta = json.loads((tmp_path / "run" / "meta.json").read_text())
    assert meta["init_from"]["source"] == str(tmp_path / "source")
    shutil.rmtree(tmp_path / "source")
    result = train(begin(tmp_path / "source", **options, steps=64), tmp_path / "run")
    assert result.steps == 64
    assert (
        json.loads((tmp_path / "run" / "meta.json").read_text())["init_from"] == meta["init_from"]
    )


BAD = {
    "nothing there": ("nowhere", {}, "is no run: it does not exist"),
    "no checkpoint": ("unsaved", {}, "has no checkpoint yet"),
    "other size": ("run", {"hidden_size": 8}, "its hidden_size is 4"),
    "other residual": ("run", {"fidelity": "released"}, "its residual is impala"),
    "no memory": ("run", {"method": "ppo-lstm"}, "its recurrent is False, of method 'ppo'"),
    "other network": ("run", {"method": "daac"}, "method 'daac' here has drac.networks.daac"),
    "other weights": (
        "ordered",
        {"method": "idaac", "idaac_order_hidden": 3},
        "its weights classifier.hidden.bias are absent; of method 'idaac' with the options here",
    ),
    "other file": ("text.safetensors", {}, "cannot be read as a policy"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_begun_with_is_refused_before_anything_is_written(
    name: str, tmp_path: Path
) -> None:
    source, options, said = BAD[name]
    small_run(tmp_path / "run")
    small_run(tmp_path / "unsaved", saved=False)
    small_run(tmp_path / "ordered", method="idaac")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ConfigError, match="init_from") as caught:
        train(begin(tmp_path / source, **options), tmp_path / "new")
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()

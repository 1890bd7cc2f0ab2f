"""Policies as files for others: what is exported, read and refused."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkout import RUNS
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_runs import small_run, tree

from drac import api, cli, policy
from drac.config import TrainConfig
from drac.errors import ConfigError
from drac.policy import card as policy_card
from drac.policy import exported as exported_policy
from drac.policy.agent import load_agent

METHODS = (
    "ppo",
    "drac-crop",
    "rand-fm",
    "ibac-sni",
    "daac",
    "idaac",
    "meta-drac",
    "rl2-drac",
    "trpo",
    "ppg",
)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A policy of an untrained agent; its run is gone."""
    small_run(tmp_path / "run")
    policy.export(tmp_path / "run", tmp_path / "out" / "policy.safetensors")
    return tmp_path / "out" / "policy.safetensors"


def rewritten(
    path: Path,
    card: Callable[[dict[str, Any]], object] = lambda card: None,
    weights: Callable[[dict[str, torch.Tensor]], object] = lambda weights: None,
) -> None:
    """Write a policy anew with its card, or its weights, changed."""
    with safe_open(path, "pt") as opened:
        its_card = json.loads(opened.metadata()["procgen-drac"])
    its_weights = load_file(path)
    card(its_card)
    weights(its_weights)
    save_file(its_weights, path, {"procgen-drac": json.dumps(its_card)})


@pytest.mark.parametrize("method", METHODS)
def test_the_network_of_every_method_comes_back(tmp_path: Path, method: str) -> None:
    config = small_run(tmp_path / "run", method=method)
    out = tmp_path / "policy.safetensors"
    exported = policy.export(tmp_path / "run", out)
    found = policy.load(out)
    network, step = load_agent(tmp_path / "run", config)
    assert (found.step, found.config) == (step, config) == (32, exported.config)
    assert not found.network.training
    assert type(found.network) is type(network)
    theirs, ours = network.state_dict(), found.network.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    obs = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for one, other in zip(network(obs), found.network(obs), strict=True):
            assert torch.equal(one, other)


def test_rows_are_those_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "run")
    assert cli.main(["export", "run", "--out", "mein Agent.safetensors"]) == 0
    assert "next: drac evaluate --split test -- 'mein Agent.safetensors'" in capsys.readouterr().out
    argv = ["--episodes", "3", "--num-envs", "2", "--seed", "4", "--split", "5-9"]
    for agent in ("run", "mein Agent.safetensors"):
        assert cli.main(["evaluate", agent, *argv]) == 0
    name = "5-9-seed4-step32.csv"
    rows = (tmp_path / "run" / "evaluations" / name).read_bytes()
    assert len(rows.splitlines()) == 4
    assert (tmp_path / "mein Agent-evaluations" / name).read_bytes() == rows


def test_the_card_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "policy.safetensors"
    assert cli.main(["export", str(RUNS / "format-2"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "ucb-drac on bigfish, seed 0, step 32: train 4.00 (2 episodes), test 0.00" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "policy.json",
        "policy.md",
        "policy.safetensors",
    ]
    card = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert card == policy.load(out).card
    assert (card["format"], card["step"], card["seed"]) == (1, 32, 0)
    assert card["scores"]["train"] == {
        "episodes": 2,
        "mean": 4.0,
        "standard_error": pytest.approx(1.0),  # of the returns 3 and 5
        "normalized": pytest.approx(3 / 39),  # bigfish: from 1 to 40
    }
    assert card["trained_with"]["versions"]["torch"] == "2.13.0+cpu"
    assert card["trained_with"]["procgen_build"] == "procgen-mirror 0.10.7"
    assert card["trained_with"]["commit"] == "77f5d0bbf894a2286d8d045e2469f4f663b24ecd"
    saved = json.loads((RUNS / "format-2" / "config.json").read_text(encoding="utf-8"))
    assert card["config"].items() >= {k: v for k, v in saved.items() if k != "minibatch_by"}.items()
    page = out.with_suffix(".md").read_text(encoding="utf-8")
    for part in (
        "# ucb-drac on bigfish",
        "| train | 4.000 +- 1.000 | 0.077 | 2 |",
        "drac evaluate policy.safetensors --split test",
        "Raileanu et al. 2021",
        "- licence: MIT",
        "| arms | `crop, flip` |",
    ):
        assert part in page


def test_scores_of_another_step_or_none_are_not_claimed(tmp_path: Path) -> None:
    config = small_run(tmp_path / "run")
    out = tmp_path / "policy.safetensors"
    header = "step,split,level_seed,return,length\n"
    for rows in (
        None,
        "",
        "16,test,1,2.0,3\n",
        "32,test,1,nan,3\n",
        "32,test,1\n",
        "32,other,1,2,3\n",
    ):
        if rows is not None:
            (tmp_path / "run" / "eval.csv").write_text(header + rows, encoding="utf-8")
        assert policy.export(tmp_path / "run", out).card["scores"] == {}
        assert "not evaluated at this step" in out.with_suffix(".md").read_text(encoding="utf-8")
    (tmp_path / "run" / "eval.csv").write_text(header + "32,test,1,2.0,3\n", encoding="utf-8")
    found = policy_card.scores(tmp_path / "run", config, 32)
    assert found == {"test": {"episodes": 1, "mean": 2.0, "normalized": pytest.approx(1 / 39)}}


def test_texts_of_meta_json_are_no_markup(tmp_path: Path) -> None:
    small_run(tmp_path / "run")
    evil = {"versions": {"<script>": "alert`1`|[x](y)\n# big"}, "commit": ["\x1b[31m"], "format": 1}
    evil["code"] = {"mylab": "ab12", "<b>": 3}
    (tmp_path / "run" / "meta.json").write_text(json.dumps(evil), encoding="utf-8")
    out = tmp_path / "policy.safetensors"
    policy.export(tmp_path / "run", out)
    page = out.with_suffix(".md").read_text(encoding="utf-8")
    assert "- versions: ?script? alert?1???x?(y)?# big\n" in page
    assert "- SHA-256 of mylab: ab12\n- SHA-256 of ?b?: 3\n" in page
    assert "\x1b" not in page
    assert "<script>" not in page


def test_an_export_may_be_repeated_and_is_the_same(exported: Path, tmp_path: Path) -> None:
    before = tree(exported.parent)
    policy.export(tmp_path / "run", exported)
    assert tree(exported.parent) == before


@pytest.mark.parametrize("suffix", [".safetensors", ".json", ".md"])
@pytest.mark.parametrize("kind", ["text", "empty", "folder", "link", "pipe", "foreign"])
def test_other_files_are_not_overwritten(tmp_path: Path, suffix: str, kind: str) -> None:
    small_run(tmp_path / "run")
    (tmp_path / "notes").write_text("mine")
    path = tmp_path / f"policy{suffix}"
    make: dict[str, Callable[[], object]] = {
        "text": lambda: path.write_text('{"kind": "mine"}'),
        "empty": lambda: path.touch(),
        "folder": lambda: path.mkdir(),
        "link": lambda: path.symlink_to(tmp_path / "notes"),
        "pipe": lambda: os.mkfifo(path),
        "foreign": lambda: save_file({"a": torch.ones(2)}, path),
    }
    make[kind]()
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match="exists and is not of drac export") as caught:
        policy.export(tmp_path / "run", tmp_path / "policy.safetensors")
    assert str(path) in str(caught.value)
    assert tree(tmp_path) == before


# Files of strangers


def test_a_truncated_or_changed_header_is_refused(exported: Path) -> None:
    whole = exported.read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    for size in [*range(0, header, 211), header, header + 1, len(whole) - 1]:
        exported.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match="cannot be read as a policy") as caught:
            policy.load(exported)
        assert "\n" not in str(caught.value)
    exported.write_bytes(struct.pack("<Q", 2**40) + whole[8:])
    with pytest.raises(ConfigError, match="its header has 1,099,511,627,776 bytes"):
        policy.load(exported)


@pytest.mark.parametrize("kind", ["pickle", "zip", "text", "folder", "missing", "pipe", "foreign"])
def test_what_is_no_policy_is_refused(tmp_path: Path, kind: str) -> None:
    path, marker = tmp_path / "a.safetensors", tmp_path / "marker"

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(marker),)

    make: dict[str, Callable[[], object]] = {
        "pickle": lambda: path.write_bytes(pickle.dumps(Evil())),
        "zip": lambda: torch.save({"a": Evil()}, path),
        "text": lambda: path.write_text("hello" * 9),
        "folder": lambda: path.mkdir(),
        "missing": lambda: None,
        "pipe": lambda: os.mkfifo(path),
        "foreign": lambda: save_file({"a": torch.ones(2)}, path, {"procgen-drac": "[1]"}),
    }
    make[kind]()
    with pytest.raises(ConfigError, match=r"a\.safetensors"):
        policy.load(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format=2), "has format 2; this version reads format 1"),
        (lambda card: card.update(format=True), "has format True"),
        (lambda card: card.pop("kind"), "its header has no card"),
        (lambda card: card.pop("config"), "cannot be read as a run's configuration"),
        (lambda card: card.pop("step"), "has no step"),
        (lambda card: card.update(step=-1), "has no step"),
        (lambda card: card.update(step=1.5), "has no step"),
        (lambda card: card["config"].update(hidden_size=10**9), "hidden_size 1000000000"),
        (lambda card: card["config"].update(hidden_size=8), "fc.weight is .4, 2048. of F32 there"),
        (lambda card: card["config"].update(method="idaac"), "it has fewer weights than that"),
        (lambda card: card["config"].update(game="../../etc"), "unknown game '../../etc'"),
        (lambda card: card["config"].update(clip=float("nan")), "NaN is no number of JSON"),
        (lambda card: card["config"].update(best_from="/etc/passwd"), "best_from without"),
        (lambda card: card["config"].update(surprise=1), "unknown option 'surprise'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    exported: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    rewritten(exported, card=change)
    with pytest.raises(ConfigError, match=message):
        policy.load(exported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.update(extra=torch.ones(2)), "it has more weights than that, such as 'extra'"),
        (lambda w: w.pop("fc.bias"), "it has fewer weights than that, such as 'fc.bias'"),
        (
            lambda w: w.update({"fc.bias": torch.ones(5)}),
            r"fc.bias is \(5,\) of F32 there and \(4,\)",
        ),
        (lambda w: w.update({"fc.bias": torch.ones(4).half()}), r"of F16 there and \(4,\) of F32"),
        (lambda w: w.update({"fc.bias": torch.ones(4) * torch.nan}), "'fc.bias' holds values"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    exported: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    rewritten(exported, weights=change)
    with pytest.raises(ConfigError, match=message):
        policy.load(exported)


def test_no_weight_is_read_before_all_sizes_fit(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"value_head.weight": torch.zeros(10**6, 4)}
    rewritten(exported, weights=lambda weights: weights.update(large))
    read: list[str] = []

    class Opened:
        def __init__(self, path: Path, framework: str) -> None:
            self._inner = safe_open(path, framework)

        def __enter__(self) -> Opened:
            self._opened = self._inner.__enter__()
            return self

        def __exit__(self, *error: object) -> None:
            self._inner.__exit__(*error)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._opened, name)

        def get_tensor(self, name: str) -> torch.Tensor:
            read.append(name)
            return self._opened.get_tensor(name)

    monkeypatch.setattr(exported_policy, "safe_open", Opened)
    with pytest.raises(ConfigError, match=r"value_head.weight is \(1000000, 4\)"):
        policy.load(exported)
    assert not read


def test_the_api_has_it(exported: Path) -> None:
    found = api.load_policy(exported)
    assert isinstance(found, api.Policy)
    assert isinstance(found.config, TrainConfig)
    rows = api.evaluate(found.network, found.config.game, "train", 1, 1, seed=0)
    assert len(rows) == 1

"""Policies for other runtimes compute what the network computes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import small_run, tree
from torch import Tensor

from drac import cli, policy
from drac.envs import ProcgenVectorEnv
from drac.errors import ConfigError
from drac.policy.agent import load_agent

METHODS = ("ppo", "rand-fm", "ibac-sni", "idaac", "ppg", "meta-drac")


@pytest.fixture(scope="module")
def frames() -> Tensor:
    """100 frames of a game, (100, 3, 64, 64) in [0, 1]."""
    env = ProcgenVectorEnv("bigfish", 10, seed=0)
    env.reset()
    actions = np.random.default_rng(0)
    seen = [env.step(actions.integers(0, 15, 10))[0] for _ in range(10)]
    env.close()
    return torch.from_numpy(np.concatenate(seen)).permute(0, 3, 1, 2).float() / 255


def close(one: Tensor | np.ndarray, other: Tensor) -> bool:
    """Whether two outputs agree to 1e-5 of the largest, beyond which sums of float32 differ."""
    return torch.allclose(torch.as_tensor(one), other, rtol=0, atol=1e-5 * float(other.abs().max()))


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("method", METHODS)
def test_torchscript_gives_the_same(tmp_path: Path, frames: Tensor, method: str) -> None:
    config = small_run(tmp_path / "run", method=method)
    network, step = load_agent(tmp_path / "run", config, "cpu")
    words = ["export", str(tmp_path / "run"), "--format", "torchscript"]
    assert cli.main(words) == 0
    extra = {"procgen-drac": ""}
    loaded = torch.jit.load(tmp_path / "run" / "policy.pt", _extra_files=extra)
    card = json.loads(extra["procgen-drac"])
    assert card == json.loads((tmp_path / "run" / "policy.pt.json").read_text())
    assert card["step"] == step
    with torch.no_grad():
        assert all(map(close, loaded(frames), network(frames)))
        assert all(map(close, loaded(frames[:1]), network(frames[:1])))
    assert cli.main(words) == 0  # over an earlier one
    assert not (tmp_path / "run" / "policy.json").exists()  # which is of policy.safetensors


@pytest.mark.parametrize("method", METHODS)
def test_onnx_gives_the_same(tmp_path: Path, frames: Tensor, method: str) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    config = small_run(tmp_path / "run", method=method)
    network, _ = load_agent(tmp_path / "run", config, "cpu")
    policy.export(tmp_path / "run", tmp_path / "it.onnx", "onnx")
    session = runtime.InferenceSession(str(tmp_path / "it.onnx"))
    assert [output.name for output in session.get_outputs()] == ["logits", "values"]
    card = json.loads(session.get_modelmeta().custom_metadata_map["procgen-drac"])
    assert card["method"] == method
    for number in (100, 1):
        found = session.run(None, {"images": frames[:number].numpy()})
        with torch.no_grad():
            assert all(map(close, found, network(frames[:number])))
    policy.export(tmp_path / "run", tmp_path / "it.onnx", "onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "onx"), "unknown format 'onx' (did you mean 'onnx'?)"),
        (("--format", "torchscript", "--out", "it.onnx"), "it.onnx must end in .pt"),
        (("--format", "onnx", "--out", "it.pt"), "it.pt must end in .onnx"),
        (("--format", "torchscript", "--out", "mine.pt"), "is not of drac export; choose another"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "run")
    (tmp_path / "mine.pt").write_bytes(b"of somebody")
    before = tree(tmp_path)
    assert cli.main(["export", "run", *words]) == 2
    assert said in capsys.readouterr().err
    assert tree(tmp_path) == before


def test_without_what_writes_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_run(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"--format onnx needs onnxscript.*procgen-drac\[onnx\]"):
        policy.export(tmp_path / "run", tmp_path / "it.onnx", "onnx")
    assert not (tmp_path / "it.json").exists()

"""docs/the-env-alone.md: its Python runs, in small."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
from checkout import ROOT

PAGE = (ROOT / "docs" / "the-env-alone.md").read_text(encoding="utf-8")
ALONE, SB3, CLEANRL = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def run(code: str, **names: Any) -> dict[str, Any]:
    exec(compile(code, "the-env-alone.md", "exec"), names)  # noqa: S102
    return names


def test_the_first_example() -> None:
    names = run(ALONE)
    assert names["obs"].shape == (64, 64, 64, 3)
    names["env"].close()


@pytest.mark.filterwarnings("default")  # what another library warns of is its own
def test_stable_baselines3() -> None:
    pytest.importorskip("stable_baselines3")
    small = {"64)": "4)", "n_steps=256": "n_steps=8", "=2048": "=32", "25_000_000": "32"}
    code = SB3
    for given, less in small.items():
        assert code.count(given) == 1
        code = code.replace(given, less)
    run(code)


def test_cleanrl_s_loop() -> None:
    args = SimpleNamespace(env_id="bigfish", num_envs=4, seed=1, gamma=0.999)
    envs = run(CLEANRL, gym=gymnasium, args=args)["envs"]
    envs.reset()
    logged = [line.removeprefix("+") for line in PAGE.splitlines() if line.startswith("+")][2:]
    code = "\n".join([*logged, "        items.append(item)"])
    items: list[Any] = []
    for actions in np.random.default_rng(0).integers(0, 15, (60, 4)):
        _, reward, _, _, info = envs.step(actions)
        assert np.abs(reward).max() <= 10
        run(code, info=info, np=np, items=items)
    assert items
    assert all(item["episode"]["l"] > 0 for item in items)
    envs.close()

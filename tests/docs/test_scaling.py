"""docs/scaling.md: its commands are understood, and their engines can be made."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from checkout import ROOT

from benchmark import cli
from benchmark.engines import options

PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for command in re.findall(r"^    (drac-bench (?:[^\n]*\\\n)*[^\n]*)", PAGE, re.MULTILINE)
    if "..." not in command and "--help" not in command
]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything up to the work itself."""
    reached: list[Any] = []

    def work(store: Any, *given: Any) -> int:
        own = next(one for one in given if isinstance(one, dict))
        reached.append(options.make(own, store.root))
        return 0

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    monkeypatch.setattr("benchmark.commands.run._run", work)
    monkeypatch.setattr("benchmark.commands.evaluate._evaluate", work)
    monkeypatch.setattr("benchmark.store.store.Store.experiments", lambda store: ["paper-table1"])
    monkeypatch.setattr("drac.files.run_folder.require_writable", lambda folder: None)
    words = shlex.split(command.replace("\\\n", " "), comments=True)[1:]
    monkeypatch.chdir(ROOT)
    assert cli.main(words) == 0
    assert reached or words[0] == "suites"

"""Every command that a page shows is one: its words are parsed, its work is not begun."""

from __future__ import annotations

import re
import shlex
import subprocess
from subprocess import DEVNULL
from typing import Any, NoReturn

import pytest
from checkout import ROOT

from benchmark import cli as bench
from drac import cli
from drac.commands import flags

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
SHOWN = re.compile(r"^(?:    )?((?:drac|drac-bench) (?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


NO_WORDS = ("$TINY", "...", "--help")
"""What stands for other words, or asks for no work."""


class _Parsed(Exception):
    """A command line was taken."""


def commands() -> list[Any]:
    """The commands of each page, as words; what a shell does with their output is left out."""
    found = []
    for page in PAGES:
        for text in SHOWN.findall(page.read_text(encoding="utf-8")):
            words = shlex.split(text.replace("\\\n", " "), comments=True)
            ends = [n for n, word in enumerate(words) if word in (">", "|", "&&", "&")]
            words = [word for word in words[: min(ends, default=None)] if word not in NO_WORDS]
            found.append(pytest.param(words, id=f"{page.stem}: {' '.join(words)}"))
    return found


def test_what_a_page_s_command_writes_into_a_clone_is_tracked_or_ignored() -> None:
    written = set()
    for page in (*PAGES, ROOT / "README.md"):
        for text in SHOWN.findall(page.read_text(encoding="utf-8")):
            said = text.replace("\\\n", " ").partition(" #")[0]
            written |= {*re.findall(r"(?:--(?:out|json|csv|picture)[ =]|> )([\w./-]+)", said)}
    assert {"results/table.csv", "bigfish.safetensors", "mine.toml", "report"} <= written
    for name in written:
        ways = (["ls-files", "--error-unmatch"], ["check-ignore", name + "/"], ["check-ignore"])
        words = [["git", *way, name] for way in ways]
        assert any(
            not subprocess.call(own, cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL) for own in words
        ), name


@pytest.mark.parametrize("words", commands())
def test_its_words_are_understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parse = flags.parse

    def taken(*given: Any) -> NoReturn:
        parse(*given)
        raise _Parsed

    monkeypatch.setattr(flags, "parse", taken)
    monkeypatch.chdir(ROOT)
    main = cli.main if words[0] == "drac" else bench.main
    words = [word.split("|")[0].replace("mine.toml", "smoke") for word in words[1:]]
    if words[-1] == "help":
        assert main(words) == 0
    else:
        with pytest.raises(_Parsed):
            main(words)

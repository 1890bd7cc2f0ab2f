"""A store to report on, and a reader of reports: pages, links, tables, without a browser."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from synthetic_runs import ARMS, write_run

from benchmark.report import frames
from benchmark.store.store import Store
from benchmark.suites import RunSpec

HOSTILE = '<script>alert("x")</script> & co'
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63606060f80f0001040100a53f9b4e0000000049454e44ae426082"
)


def no_frames(root: Path, games: tuple[str, ...]) -> None:
    """Leave frames as if they had been drawn: Procgen need not be loaded."""
    drawn = root / "runs" / frames.CACHE
    drawn.mkdir(parents=True, exist_ok=True)
    for game in games:
        facts = {"procgen_build": "procgen 0", "levels": {"train": [1, 2], "test": [30, 40]}}
        (drawn / f"{game}-easy.json").write_text(json.dumps(facts))
        for split in ("train", "test"):
            (drawn / f"{game}-easy-{split}.png").write_bytes(PNG)


def fill(root: Path) -> Path:
    """Write a store with everything in it that a report may meet; returns its root."""
    for seed, more in enumerate((0.0, 1.0, 2.0)):
        write_run(root, seed=seed, train=(6 + more,) * 3, test=(5 + more,) * 3)
        write_run(root, "ucb-drac", seed=seed, test=(7 + more,) * 3, arms=ARMS)
        write_run(root, game="maze", seed=seed, test=(4 - more, 5, 6))
    write_run(root, "drac-crop", test=(9.0, 9.5, 10.0))
    write_run(root, "ucb-drac", game="maze", arms=ARMS)
    write_run(root, "ucb-drac+plr", game="maze", arms=ARMS)
    half = write_run(root, "drac-crop", game="maze")
    lines = (half / "eval.csv").read_text().splitlines(keepends=True)
    (half / "eval.csv").write_text("".join(lines[:-1]))
    damaged = write_run(root, "drac-flip", game="maze")
    (damaged / "progress.csv").write_text("step,arm\n1,2,3,4\n")
    meta = {"format": 1, "cpu": HOSTILE, "commit": "c" * 40, "versions": {"torch": "2.13"}}
    hostile = root / "runs/exp/ppo/coinrun/seed0/meta.json"
    hostile.write_text(json.dumps({**meta, "wall_s": 90.0, "procgen_build": "procgen 0.10.7"}))
    clip = root / "runs/exp/ppo/coinrun/seed0/clips/test-level7.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"no film")
    played = [{"level_seed": 7, "return": 3.5}]
    record = {"split": "test", "step": 256, "episodes": played}
    clip.with_suffix(".json").write_text(json.dumps(record))
    clip.with_name("mine.gif").write_bytes(PNG)
    clip.with_name("empty.mp4").touch()
    Store(root).add_to_plan("exp", [RunSpec("exp", "ppo", "heist", 0)])
    no_frames(root, ("coinrun", "maze", "heist"))
    return root


VOID = {"meta", "link", "img", "br", "input", "hr", "source", "wbr"}


@dataclass
class Table:
    """A table: its attributes, caption, headings and rows of cells."""

    attributes: dict[str, str]
    caption: str = ""
    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """One page; `problems` has what is not well-formed."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.problems: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.text = ""
        self.tables: list[Table] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if len(attributes) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append(Table(attributes))
        if tag in ("th", "td"):
            table = self.tables[-1]
            (table.headings if "thead" in self._open else table.rows[-1]).append("")
            if tag == "th":
                table.scopes.append(attributes.get("scope", ""))
        if tag == "tr" and "tbody" in self._open:
            self.tables[-1].rows.append([])

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data: str) -> None:
        self.text += data
        if "caption" in self._open:
            self.tables[-1].caption += data
        elif "th" in self._open or "td" in self._open:
            table = self.tables[-1]
            (table.headings if "thead" in self._open else table.rows[-1])[-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[tuple[str, str]]:
        """Return (element, address) of everything that points somewhere."""
        names = ("href", "src", "poster", "srcset", "data", "action")
        return [(t, attributes[n]) for t, attributes in self.tags for n in names if n in attributes]


def pages(site: Path) -> dict[str, Page]:
    """All pages of a site, by their path."""
    return {p.relative_to(site).as_posix(): Page(p) for p in sorted(site.rglob("*.html"))}


def target(page: Path, address: str) -> tuple[Path, str] | None:
    """Return the file and the fragment that a link leads to; None for one that leaves the site."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    path = page.parent / unquote(parts.path) if parts.path else page
    return path.resolve(), parts.fragment

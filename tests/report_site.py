"""Reads a report as a browser would, without one: pages, links, tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"meta", "link", "img", "br", "input", "hr", "source"}


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

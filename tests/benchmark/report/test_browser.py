"""The report in a real browser: links, sorting, themes, keyboard, phones.

Needs Chromium, which `make browser` installs from Debian's packages; skipped where there is none.
Playwright drives the browser of the system: it downloads none.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_site import fill, pages

from benchmark.report import build
from benchmark.store.store import Store

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser is installed ({', '.join(NAMES)}): make browser"
)

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    build.build(Store(fill(folder / "results")), ["exp"], folder / "report")
    return folder / "report"


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        # CI runs as root, where Chromium's sandbox cannot work; it sees our own files alone.
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A page on a desktop that may fetch files only, and must not complain."""
    with browser.new_context(viewport=DESKTOP, color_scheme="light") as context:
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda said: complaints.append(said.text))
        # A picture that was still loading when one clicked on is aborted, and nobody's fault.
        opened.on("requestfailed", lambda r: "ABORTED" in r.failure or complaints.append(r.url))
        opened.on("request", lambda r: r.url.startswith("file:") or complaints.append(r.url))
        yield opened
        # The film of the fixture is none: Chromium says so, and it is the only thing it may say.
        assert [text for text in complaints if not text.endswith("test-level7.mp4")] == []


def url(report: Path, path: str) -> str:
    return (report / path).as_uri()


def test_every_page_opens_and_no_page_scrolls_sideways(report: Path, page: playwright.Page) -> None:
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size(viewport)
        for path in pages(report):
            page.goto(url(report, path))
            assert page.locator("h1").is_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], (path, width)


def test_one_gets_everywhere_by_clicking(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "index.html"))
    seen, waiting = set(), {page.url}
    while waiting:
        here = waiting.pop()
        seen.add(here)
        page.goto(here)
        links = page.locator("main a[href$='.html'], header a[href$='.html']")
        waiting |= set(links.evaluate_all("all => all.map(a => a.href)")) - seen
    assert seen == {url(report, path) for path in pages(report)}
    page.goto(url(report, "index.html"))
    page.locator("#games + ul").get_by_role("link", name="maze").click()
    assert page.url == url(report, "games/maze.html")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    assert page.url == url(report, "index.html")


def column(page: playwright.Page, table: str, number: int) -> list[str]:
    return page.locator(f"#{table} tbody tr > :nth-child({number})").all_inner_texts()


def test_tables_are_sorted_by_value_and_what_is_missing_is_last(
    report: Path, page: playwright.Page
) -> None:

    def values(page: playwright.Page) -> tuple[list[float], list[str]]:
        texts = column(page, "game-maze", 4)
        return [float(text.split()[0]) for text in texts[: len(known)]], texts[len(known) :]

    page.goto(url(report, "games/maze.html"))
    shown = column(page, "game-maze", 4)
    known = sorted(float(text.split()[0]) for text in shown if text != "missing")
    assert 1 < len(known) < len(shown)
    missing = ["missing"] * (len(shown) - len(known))
    header = page.locator("#game-maze thead th").nth(3)
    button = header.get_by_role("button")
    assert header.get_attribute("aria-sort") is None
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert values(page) == (known, missing)
    assert page.get_by_role("status").inner_text() == "Sorted by test, ascending"
    button.click()
    assert header.get_attribute("aria-sort") == "descending"
    assert values(page) == (known[::-1], missing)
    page.locator("#game-maze thead th").first.get_by_role("button").click()
    assert header.get_attribute("aria-sort") is None
    names = column(page, "game-maze", 1)
    assert names == sorted(names)


def test_rows_stay_together(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "games/coinrun.html"))
    rows = page.locator("#game-coinrun tbody tr")
    before = rows.all_inner_texts()
    page.locator("#game-coinrun thead th").nth(2).get_by_role("button").click()
    after = rows.all_inner_texts()
    assert sorted(before) == sorted(after)


def test_the_keyboard_is_enough(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "games/coinrun.html"))
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert skip.bounding_box()["x"] >= 0  # it is seen once it is reached
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    button = page.locator("#game-coinrun thead button").nth(3)
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#game-coinrun thead th").nth(3).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert page.locator("#game-coinrun thead th").nth(3).get_attribute("aria-sort") == "descending"
    style = button.evaluate("b => getComputedStyle(b).outlineStyle")
    assert style == "solid"


def background(page: playwright.Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_theme_follows_the_system_until_one_is_chosen_and_remembered(
    report: Path, page: playwright.Page
) -> None:
    page.goto(url(report, "index.html"))
    light = background(page)
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert dark != light
    toggle = page.locator("button.theme")
    assert toggle.get_attribute("aria-label") == "Switch to the light theme"
    toggle.click()
    assert background(page) == light
    assert toggle.get_attribute("aria-label") == "Switch to the dark theme"
    page.goto(url(report, "games/maze.html"))
    assert background(page) == light
    page.locator("button.theme").click()
    page.emulate_media(color_scheme="light")
    page.goto(url(report, "index.html"))
    assert background(page) == dark


def test_without_scripts_tables_are_plain_and_whole(
    report: Path, browser: playwright.Browser
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(url(report, "games/coinrun.html"))
        assert page.locator("table").first.is_visible()
        assert page.locator("#game-coinrun tbody tr").count() == 5
        assert page.get_by_role("button").count() == 0


def test_pictures_are_shown(report: Path, page: playwright.Page) -> None:
    for path in ("games/coinrun.html", "figures.html"):
        page.goto(url(report, path))
        images = page.locator("figure img.drawn")
        assert images.count() >= 3
        for image in images.all():
            image.scroll_into_view_if_needed()
            image.evaluate("image => image.decode()")  # rejects what is no picture
            assert image.evaluate("image => image.naturalWidth") > 100

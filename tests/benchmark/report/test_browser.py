"""The report in a real browser: links, sorting, themes, keyboard, phones.

Needs Chromium, which `make browser` installs from Debian's packages; skipped where there is none.
Playwright drives the browser of the system: it downloads none.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_site import pages

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser is installed ({', '.join(NAMES)}): make browser"
)

PATIENCE_MS = 60_000
"""For what the browser does at once where it has a core for itself."""

SOME_PAGES = ["index.html", "games/maze.html", "provenance.html"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        # CI runs as root, where Chromium's sandbox cannot work; it sees our own files alone.
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        playwright.expect.set_options(timeout=PATIENCE_MS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A page on a desktop that may fetch files only, and must not complain."""
    with browser.new_context(viewport=DESKTOP, color_scheme="light") as context:
        context.set_default_timeout(PATIENCE_MS)
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


def test_curves_are_picked_with_the_keyboard(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "games/coinrun.html"))
    playwright.expect(page.locator(".pick")).to_have_count(0)  # three curves are few
    page.goto(url(report, "games/maze.html"))
    boxes = page.get_by_role("group", name="Show curves of")
    names = ["ppo", "drac-crop", "ucb-drac", "ucb-drac+plr"]
    assert sorted(boxes.get_by_role("checkbox").evaluate_all("all => all.map(b => b.value)")) == (
        sorted(names)
    )

    def shown() -> set[str]:
        script = "all => all.filter(c => c.style.display !== 'none').map(c => c.dataset.curve)"
        return {*page.locator("svg [data-curve]").evaluate_all(script)}

    assert shown() == {*names}
    boxes.get_by_role("button", name="None").focus()
    page.keyboard.press("Enter")
    assert shown() == set()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert len(shown()) == 1
    boxes.get_by_label("ucb-drac+plr").check()
    boxes.get_by_label("ucb-drac", exact=True).check()
    assert shown() >= {"ucb-drac", "ucb-drac+plr"}
    boxes.get_by_role("button", name="All").press("Space")
    assert shown() == {*names}


@pytest.mark.parametrize(
    "paths",
    [
        ["index.html", "games/maze.html", "provenance.html"],
        pytest.param([], marks=pytest.mark.full),
    ],
    ids=["some", "all"],
)
def test_pages_open_and_no_page_scrolls_sideways(
    paths: list[str], report: Path, page: playwright.Page
) -> None:
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size(viewport)
        for path in paths or pages(report):
            page.goto(url(report, path))
            playwright.expect(page.locator("h1")).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= viewport["width"], (path, width)


@pytest.mark.full
def test_every_page_is_linked(report: Path, page: playwright.Page) -> None:
    seen, waiting = set(), {url(report, "index.html")}
    while waiting:
        here = waiting.pop()
        seen.add(here)
        page.goto(here)
        links = page.locator("main a[href$='.html'], header a[href$='.html']")
        waiting |= set(links.evaluate_all("all => all.map(a => a.href)")) - seen
    assert seen == {url(report, path) for path in pages(report)}


def test_one_gets_to_a_game_and_back_by_clicking(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "index.html"))
    page.locator("#games + ul").get_by_role("link", name="maze").click()
    playwright.expect(page).to_have_url(url(report, "games/maze.html"))
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Overview").click()
    playwright.expect(page).to_have_url(url(report, "index.html"))


def expect_order(header: playwright.Locator, order: str) -> None:
    """Wait until a column is sorted like that; "" is not at all."""
    if order:
        playwright.expect(header).to_have_attribute("aria-sort", order)
    else:
        playwright.expect(header).not_to_have_attribute("aria-sort", re.compile(".*"))


def test_tables_are_sorted_by_value_and_what_is_missing_is_last(
    report: Path, page: playwright.Page
) -> None:
    def column(number: int) -> list[str]:
        return page.locator(f"#game-maze tbody tr > :nth-child({number})").all_inner_texts()

    page.goto(url(report, "games/maze.html"))
    shown = column(4)
    known = sorted((text for text in shown if text != "missing"), key=lambda t: float(t.split()[0]))
    assert 1 < len(known) < len(shown)
    missing = ["missing"] * (len(shown) - len(known))
    headers = page.locator("#game-maze thead th")
    whole = sorted(page.locator("#game-maze tbody tr").all_inner_texts())
    expect_order(headers.nth(3), "")
    headers.nth(3).get_by_role("button").click()
    expect_order(headers.nth(3), "ascending")
    assert column(4) == known + missing
    playwright.expect(page.get_by_role("status")).to_have_text("Sorted by test, ascending")
    headers.nth(3).get_by_role("button").click()
    expect_order(headers.nth(3), "descending")
    assert column(4) == known[::-1] + missing
    headers.first.get_by_role("button").click()
    expect_order(headers.nth(3), "")
    assert column(1) == sorted(column(1))
    # Rows stay together.
    assert sorted(page.locator("#game-maze tbody tr").all_inner_texts()) == whole


def test_the_keyboard_is_enough(report: Path, page: playwright.Page) -> None:
    page.goto(url(report, "games/coinrun.html"))
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    playwright.expect(skip).to_have_text("Skip to the content")
    playwright.expect(skip).to_be_in_viewport()  # it is seen once it is reached
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#content")).to_be_focused()
    header = page.locator("#game-coinrun thead th").nth(3)
    button = header.get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    expect_order(header, "ascending")
    page.keyboard.press("Space")
    expect_order(header, "descending")
    playwright.expect(button).to_have_css("outline-style", "solid")


def test_the_theme_follows_the_system_until_one_is_chosen_and_remembered(
    report: Path, page: playwright.Page
) -> None:
    body, toggle = page.locator("body"), page.locator("button.theme")
    style = "getComputedStyle(document.body).backgroundColor"

    def expect_background(colour: str) -> None:
        playwright.expect(body).to_have_css("background-color", colour)

    page.goto(url(report, "index.html"))
    light = page.evaluate(style)
    page.emulate_media(color_scheme="dark")
    playwright.expect(body).not_to_have_css("background-color", light)
    dark = page.evaluate(style)
    playwright.expect(toggle).to_have_attribute("aria-label", "Switch to the light theme")
    toggle.click()
    expect_background(light)
    playwright.expect(toggle).to_have_attribute("aria-label", "Switch to the dark theme")
    page.goto(url(report, "games/maze.html"))
    expect_background(light)
    toggle.click()
    expect_background(dark)
    page.emulate_media(color_scheme="light")
    page.goto(url(report, "index.html"))
    expect_background(dark)


def test_without_scripts_tables_are_plain_and_whole(
    report: Path, browser: playwright.Browser
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(url(report, "games/coinrun.html"), timeout=PATIENCE_MS)
        playwright.expect(page.locator("table").first).to_be_visible()
        playwright.expect(page.locator("#game-coinrun tbody tr")).to_have_count(5)
        playwright.expect(page.get_by_role("button")).to_have_count(0)


def test_pictures_are_shown(report: Path, page: playwright.Page) -> None:
    for path in ("games/coinrun.html", "figures.html"):
        page.goto(url(report, path))
        images = page.locator("figure img.drawn").all()
        assert len(images) >= 3
        for image in images:
            image.scroll_into_view_if_needed()
            playwright.expect(image).to_have_js_property("complete", True)
            assert image.evaluate("image => image.naturalWidth") > 100  # 0 if it is no picture

"""Pages of the report as a person meets them, in a real browser."""

import csv
import json
import re
import time

import numpy as np
import pytest
from browser import PATIENCE, Keys, chromium
from hostile_names import NAMES
from PIL import Image

from clipspace.plot.colors import PALETTE, SCALE
from clipspace.points.embeddings import Embeddings
from clipspace.report import explorer as explorer_module
from clipspace.report.explorer import write_explorer
from clipspace.report.page import Section, write_page
from clipspace.search.maps import Map

N, K = 20_000, 6
LONE = [(20, 0), (25, 1), (21, 6), (15, -1), (19, -6), (32, 0)]  # middle, right, up, left, down, far right
MAP = "document.querySelector('#explorer .map')"
DRESS = f"{MAP}.explorer.look.dress"
LEFT = f"(({{ x, unit, width }}) => x - (unit * width) / 2)({MAP}.explorer.view)"  # of the map, in units of the data
DRAWN = "performance.getEntriesByName('explorer-drawn').length"


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def browser(chrome):
    """On a desktop, in the light. No test may end with an error on the console or a request to any host."""
    chrome.desktop()
    chrome.prefer("light")
    chrome.console()
    chrome.requests()
    yield chrome
    assert chrome.console() == []
    asked = chrome.requests()
    assert asked
    assert {address.split(":")[0] for address in asked} <= {"file", "data", "blob"}


@pytest.fixture(scope="module")
def crowd():
    """20,000 points in eight heaps, and a few lone ones at rows 0 to 5, each with a colour of its own."""
    rng = np.random.default_rng(0)
    label = rng.integers(8, size=N)
    coordinates = 7 * rng.uniform(-1, 1, size=(8, 2))[label] + rng.normal(size=(N, 2))
    coordinates[: len(LONE)] = LONE
    heaps = [np.flatnonzero(label[100:] == k) + 100 for k in range(8)]
    rows = np.stack([rng.choice(heaps[k], K) for k in label])  # of the same heap, so the map opens coloured by heap
    rows[0] = [3, 1, 2, 4, 5, -1]
    distances = np.sort(rng.uniform(0.2, 1.2, size=(N, K)), axis=1)
    distances[0] = np.sqrt(2 - 2 * np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]))
    names = [f"image-{i:05}.jpg" for i in range(N)]
    return {
        "points": Map(coordinates.astype(np.float32), names, rows, distances.astype(np.float32)),
        "captions": [f"a needle, {i}" if i in (1, 7000, 9000) else f"hay of heap {label[i]}" for i in range(N)],
        "colours": np.stack(np.unravel_index(rng.permutation(28**3)[:N], (28, 28, 28)), axis=1) * 9,
        "columns": {"heap": [f"heap {k}" for k in label], "place": coordinates[:, 0]},
    }


@pytest.fixture(scope="module")
def page(crowd, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "a page.html"
    thumbnails = [Image.new("RGB", (32, 32), tuple(map(int, colour))) for colour in crowd["colours"]]
    options = {name: crowd[name] for name in ("captions", "columns")}
    return write_explorer(path, crowd["points"], thumbnails=thumbnails, title="20,000 points", **options)


@pytest.fixture
def opened(browser, page):
    browser.open(page)
    browser.until(f"{DRAWN} && document.querySelector('#explorer .tiles div')")
    return browser


def where(browser, i):
    """The pixel of the window that point i is painted at."""
    return browser.js(
        f"const {{ left, top }} = {MAP}.getBoundingClientRect(), [x, y] = {MAP}.explorer.place(arguments[0]);"
        "return [left + x, top + y]",
        i,
    )


def lit(browser):
    """The points that are not dimmed; None when none is."""
    return browser.js(f"const {{ lit }} = {MAP}.explorer.state; return lit && [...lit]")


def colours(browser):
    return browser.js(f"const {{ inks, tints }} = {DRESS}; return Array.from(tints, (tint) => inks[tint].colour)")


def shows(browser, i):
    browser.until(f"document.querySelector('.panel h3')?.textContent === 'image-{i:05}.jpg'")


def colour_of(browser, element):
    pixels = browser.pixels(element)
    h, w = pixels.shape[:2]
    return pixels[h // 4 : -h // 4, w // 4 : -w // 4].mean(axis=(0, 1))


def first_load(page, profile):
    """Seconds until a browser that was just started paints, and its work, in processor seconds, until the map is drawn."""
    with chromium(profile) as browser:
        browser.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        browser.open(page)
        browser.until(DRAWN)
        metrics = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        paints = "Object.fromEntries(performance.getEntriesByType('paint').map((e) => [e.name, e.startTime / 1000]))"
        painted = browser.js(f"return {paints}")["first-contentful-paint"]
        return painted, next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def test_20_000_points_are_painted(page, tmp_path):
    """How soon depends on what else the machine does: ``pytest -s`` prints it."""
    painted, worked = first_load(page, tmp_path / "profile")
    print(f"first contentful paint {painted:.2f} s; processor time until the map is drawn {worked:.2f} s")
    assert painted > 0
    assert worked > 0.1


def test_a_browser_without_webgl_paints_the_same_points(page, opened, tmp_path):
    opened.find("#explorer-pictures").click()
    with_webgl = opened.pixels(opened.find("#explorer .map"))
    with chromium(tmp_path / "profile", "--disable-webgl", "--disable-webgl2") as plain:
        plain.open(page)
        plain.until(DRAWN)
        assert plain.js("return document.querySelector('#explorer .points').getContext('webgl2')") is None
        plain.find("#explorer-pictures").click()
        by_hand = plain.pixels(plain.find("#explorer .map"))
        plain.point_at(*where(plain, 0))
        shows(plain, 0)
    ink = [(np.abs(seen.astype(int) - 255).sum(axis=2) > 60).ravel() for seen in (with_webgl, by_hand)]
    assert 0.8 < ink[0].sum() / ink[1].sum() < 1.25
    assert np.corrcoef(*ink)[0, 1] > 0.9


@pytest.mark.parametrize("i", [0, 5])
def test_hover_shows_the_thumbnail_and_the_neighbours(opened, crowd, i):
    opened.point_at(*where(opened, i))
    shows(opened, i)
    assert opened.text(".panel .caption") == crowd["captions"][i]
    assert np.abs(colour_of(opened, opened.find(".panel .thumbnail")) - crowd["colours"][i]).max() < 12
    points = crowd["points"]
    known = [(row, d) for row, d in zip(points.neighbours[i], points.distances[i], strict=True) if row >= 0]
    buttons = opened.all(".neighbours button")
    expected = [f"image-{row:05}.jpg, cosine {1 - d**2 / 2:.3f}" for row, d in known]
    assert [button.accessible_name for button in buttons] == expected
    for (row, _), button in zip(known, buttons, strict=True):
        tile = button.find_element("css selector", ".thumbnail")
        assert np.abs(colour_of(opened, tile) - crowd["colours"][row]).max() < 12


def test_a_click_keeps_a_point_and_marks_follow_the_map(opened):
    opened.point_at(*where(opened, 0), click=True)
    opened.point_at(*where(opened, 5))
    shows(opened, 5)
    opened.point_at(2, 2)
    shows(opened, 0)
    opened.find(".zoom button").click()
    ring = "(({ left, top, width }) => [left + width / 2, top + width / 2])"
    ring += "(document.querySelector('.marks .chosen').getBoundingClientRect())"
    opened.until(f"(({{ x, unit, width }}) => x + (unit * width) / 2)({MAP}.explorer.view) < 32")
    opened.until(f"((a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) < 2)({ring}, {json.dumps(where(opened, 0))})")
    assert np.hypot(*np.subtract(opened.js(f"return {ring}"), where(opened, 0))) < 2


def test_search_highlights_and_steps_through_its_matches(opened):
    opened.find("#explorer-pictures").click()
    before = opened.pixels(opened.find("#explorer .map")).std()
    box = opened.find("#explorer-search")
    box.send_keys("NEEDLE image")
    opened.until("document.querySelector('#explorer .count').textContent === '3 of 20,000'")
    assert lit(opened) == [1, 7000, 9000]
    assert opened.pixels(opened.find("#explorer .map")).std() < before / 2
    enter, up, down = Keys.ENTER, Keys.ARROW_UP, Keys.ARROW_DOWN
    for key, i in ((enter, 1), (enter, 7000), (down, 9000), (down, 1), (up, 9000)):
        box.send_keys(key)
        shows(opened, i)
    assert opened.text("#explorer .count") == "3 of 3"
    assert "Match 3 of 3" in opened.text("#explorer [role=status]")
    box.send_keys(Keys.ESCAPE)
    opened.until(f"{MAP}.explorer.state.lit === null")
    box.send_keys("nothing has this name")
    opened.until("document.querySelector('#explorer .count').textContent === '0 of 20,000'")


def test_the_keyboard_is_enough(opened):
    style = "getComputedStyle(document.activeElement)"
    seen = []
    while "map" not in seen:
        opened.press(Keys.TAB)
        seen.append(opened.js("return document.activeElement.id || document.activeElement.className"))
        assert opened.js(f"return {style}.outlineStyle !== 'none' && parseFloat({style}.outlineWidth) >= 2"), seen
        assert len(seen) < 40
    assert {"explorer-search", "explorer-colour", "explorer-pictures"} <= set(seen)

    opened.find("#explorer-search").send_keys("image-00000", Keys.ENTER)
    shows(opened, 0)
    opened.find("#explorer-search").send_keys(Keys.ESCAPE)
    opened.js("document.querySelector('#explorer .map').focus()")
    right, left, up, down = Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN
    for key, i in ((right, 1), (right, 5), (left, 1), (left, 0), (up, 2), (down, 0), (down, 4), (up, 0)):
        opened.press(key)
        shows(opened, i)
    before = opened.js(f"return {LEFT}")
    opened.press("+")
    opened.until(f"{LEFT} > {before}")

    opened.press(Keys.ENTER)
    assert opened.js("return document.activeElement.dataset.row") == "3"
    opened.press(Keys.ARROW_RIGHT)
    assert opened.js("return document.activeElement.dataset.row") == "1"
    opened.press(Keys.ENTER)
    shows(opened, 1)
    assert opened.js("return document.activeElement.closest('.neighbours') !== null")
    opened.press(Keys.ESCAPE)
    assert opened.js("return document.activeElement.className") == "map"


def test_colours_and_the_legend(opened, crowd):
    heaps, place = crowd["columns"]["heap"], crowd["columns"]["place"]
    labels = sorted(set(heaps))
    assert colours(opened) == [PALETTE[labels.index(heap)] for heap in heaps]
    button = opened.all("#explorer .legend button")[3]
    button.click()
    assert lit(opened) == [i for i, heap in enumerate(heaps) if heap == labels[3]]
    assert button.get_attribute("aria-pressed") == "true"
    opened.find("#explorer-colour").send_keys("place")
    opened.until(f"{DRESS}.inks.some(({{ colour }}) => colour === '{SCALE[-1]}')")
    steps = np.array([SCALE.index(colour) for colour in colours(opened)])
    assert (np.diff(steps[np.argsort(place)]) >= 0).all()
    assert (steps.min(), steps.max()) == (0, len(SCALE) - 1)
    assert lit(opened) is None
    ends = [float(part.text) for part in opened.all("#explorer .legend span:not(.scale)")]
    assert np.allclose(ends, [place.min(), place.max()], rtol=1e-3)


def test_the_wheel_zooms_and_a_drag_moves(opened):
    x, y = where(opened, 0)
    opened.wheel(x, y, -300)
    opened.until(f"{LEFT} > 0")
    assert np.allclose(where(opened, 0), (x, y), atol=2)  # what is under the pointer stays
    before = opened.js(f"return {LEFT}")
    opened.drag((x, y), (x - 60, y + 40))
    opened.until(f"{LEFT} > {before}")
    assert np.allclose(where(opened, 0), (x - 60, y + 40), atol=2)
    assert opened.text("#explorer [role=status]") == ""  # a drag is no click


def circle(browser, middle, radius):
    """Draws a line around a pixel with the mouse, Shift held down."""
    corners = [np.add(middle, radius * np.array([np.cos(a), np.sin(a)])) for a in np.linspace(0, 2 * np.pi, 9)]
    kinds = ["mousePressed", *["mouseMoved"] * 8, "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*corners, corners[-1]], strict=True):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "modifiers": 8}
        browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)


def test_the_lasso_selects_points_and_saves_them(opened, crowd, tmp_path):
    x, y = where(opened, 0)
    circle(opened, (x, y), 1.2 * np.hypot(*np.subtract(where(opened, 2), (x, y))))
    within = [0, 1, 2, 3, 4]
    opened.until(f"{MAP}.explorer.state.selected")
    assert lit(opened) == within
    assert opened.text("#explorer .shown output") == "5 shown"
    opened.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    for kind in ("txt", "csv"):
        opened.find(f"[data-save={kind}]").click()
    saved = [tmp_path / "points.txt", tmp_path / "points.csv"]
    end = time.monotonic() + PATIENCE
    while not all(path.exists() for path in saved) and time.monotonic() < end:
        time.sleep(0.05)
    names = [f"image-{i:05}.jpg" for i in within]
    assert saved[0].read_text().splitlines() == names
    with saved[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    assert [row["caption"] for row in rows] == [crowd["captions"][i] for i in within]
    assert [row["heap"] for row in rows] == [crowd["columns"]["heap"][i] for i in within]
    assert [(float(row["x"]), float(row["y"])) for row in rows] == LONE[:5]
    box = opened.find("#explorer-search")
    box.send_keys("needle")
    opened.until(f"{MAP}.explorer.state.lit.length === 1")  # of those inside the lasso
    box.send_keys(Keys.ESCAPE)
    opened.find("[data-clear]").click()
    assert lit(opened) is None


def luminance(browser, selector, kind):
    text = browser.js(f"return getComputedStyle(document.querySelector(arguments[0])).{kind}", selector)
    rgb = np.array([float(value) for value in re.findall(r"[\d.]+", text)[:3]]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def test_light_and_dark_are_both_legible(opened):
    def check(dark):
        page, surface = luminance(opened, "body", "backgroundColor"), luminance(opened, ".panel", "backgroundColor")
        assert (page < 0.1) == dark
        assert (opened.pixels(opened.find("#explorer .map"))[2, 2].mean() < 60) == dark
        for selector, behind in (("h1", page), (".intro", page), (".keys", page), (".hint", surface)):
            ink = luminance(opened, selector, "color")
            assert (max(ink, behind) + 0.05) / (min(ink, behind) + 0.05) > 4.5, selector

    check(dark=False)
    opened.prefer("dark")
    check(dark=True)
    opened.find("button.theme").click()
    check(dark=False)
    opened.prefer("light")
    opened.find("button.theme").click()
    check(dark=True)
    opened.js("localStorage.clear()")


def test_on_a_phone_nothing_overflows_and_fingers_work(browser, page, crowd):
    browser.phone()
    browser.open(page)
    browser.until(DRAWN)
    to_map = "document.querySelector('#explorer .frame').scrollIntoView({ behavior: 'instant' })"
    fits = "return document.documentElement.scrollWidth <= innerWidth"
    assert browser.js(fits)
    browser.find("#explorer-search").send_keys("image", Keys.ENTER)
    browser.until("document.querySelector('#explorer .count').textContent === '1 of 20,000'")
    count = "document.querySelector('#explorer .count').getBoundingClientRect().right"
    assert browser.js(fits)
    assert browser.js(f"return {count} <= innerWidth")
    browser.find("#explorer-search").send_keys(Keys.ESCAPE)
    browser.js(to_map)
    browser.tap(*where(browser, 0))
    shows(browser, 0)
    assert browser.js(fits)
    assert np.abs(colour_of(browser, browser.find(".panel .thumbnail")) - crowd["colours"][0]).max() < 12
    browser.js(to_map)
    width = f"(({{ unit, width }}) => unit * width)({MAP}.explorer.view)"
    before = browser.js(f"return {width}")
    browser.pinch((180, 150), 60, 180)
    browser.until(f"{width} < {0.5 * before}")


def test_hostile_names_stay_text(browser, tmp_path):
    points = Map(np.eye(4, 2, dtype=np.float32), NAMES, np.array([[1], [2], [3], [0]]), np.ones((4, 1), np.float32))
    options = {"captions": NAMES[::-1], "columns": {NAMES[1]: NAMES}, "title": NAMES[0]}
    browser.open(write_explorer(tmp_path / "index.html", points, **options))
    browser.until(DRAWN)
    browser.find("#explorer-search").send_keys("img", Keys.ENTER)
    browser.until("document.querySelector('.panel h3')")
    assert browser.text(".panel h3") == NAMES[1]
    assert browser.text(".panel .caption") == NAMES[2]
    assert browser.text(".panel dt") == browser.text("#explorer-colour option") == NAMES[1]
    assert browser.text("h1") == NAMES[0]
    assert browser.js("return window.hacked ?? null") is None


def test_search_by_meaning_steps_from_the_nearest_on_and_regions_have_words(browser, tmp_path):
    words = Embeddings(np.eye(3, dtype=np.float32), names=["Dog", NAMES[0], "boat"])
    angle = np.linspace(0, np.pi / 2, 90)
    vectors = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1).astype(np.float32)  # from dog to boat
    points = Map(np.stack([angle, 0 * angle], axis=1).astype(np.float32), [f"image-{i:05}.jpg" for i in range(90)])
    browser.open(write_explorer(tmp_path / "index.html", points, vectors=Embeddings(vectors), words=words))
    browser.until(DRAWN)
    browser.until("document.querySelectorAll('.signs span').length > 1")
    signs = browser.js(
        "return [...document.querySelectorAll('.signs span')].map((s) => [s.getBoundingClientRect().x, s.textContent])"
    )
    assert [text for _, text in sorted(signs)] == ["Dog", "boat"]
    box = browser.find("#explorer-word")
    box.send_keys("boat", Keys.ENTER)
    shows(browser, 89)
    box.send_keys(Keys.ENTER)
    shows(browser, 88)
    browser.find("#explorer-search").send_keys("image-0001")
    browser.until(f"{MAP}.explorer.state.lit.length === 10")
    assert lit(browser) == list(range(19, 9, -1))  # of those, the nearest first
    box.send_keys("house")
    browser.until("document.querySelector('#explorer .count').textContent === 'no such word'")


def test_thumbnails_beside_the_page_are_fetched_as_they_are_seen(browser, tmp_path, monkeypatch):
    monkeypatch.setattr(explorer_module, "_INSIDE", 4)
    points = Map(np.eye(5, 2, dtype=np.float32), [f"image-{i:05}.jpg" for i in range(5)])
    tiles = [Image.new("RGB", (32, 32), (40 * i, 100, 200)) for i in range(5)]
    path = write_explorer(tmp_path / "a (1) page's.html", points, thumbnails=tiles)
    assert "explorer-sheet" in path.read_text()
    assert ";base64," not in path.read_text().split('class="explorer-sheet">')[1].split("<")[0]
    browser.open(path)
    browser.until(DRAWN)
    browser.point_at(*where(browser, 1))
    shows(browser, 1)
    assert np.abs(colour_of(browser, browser.find(".panel .thumbnail")) - (40, 100, 200)).max() < 12


def test_a_map_of_one_point_and_nothing_else(browser, tmp_path):
    browser.open(write_explorer(tmp_path / "index.html", Map(np.ones((1, 2), np.float32), ["image-00000.jpg"])))
    browser.until(DRAWN)
    browser.point_at(*where(browser, 0))
    shows(browser, 0)
    assert not browser.all(".neighbours, #explorer-colour, #explorer-pictures")


def test_the_browser_is_told_to_make_no_request(browser, tmp_path):
    browser.open(write_page(tmp_path / "index.html", "Report", []))
    browser.js("addEventListener('securitypolicyviolation', ({ blockedURI }) => (window.blocked = blockedURI))")
    browser.js("fetch('http://127.0.0.1:9/').catch(() => {})")
    browser.until("window.blocked === 'http://127.0.0.1:9/'")
    assert [line for line in browser.console() if "Content Security Policy" not in line] == []


def test_tables_sort_and_commands_copy(browser, tmp_path):
    table = [["factor", "score"], ["b", 0.5], ["a", None], ["c", -2.0], ["d", 10], ["e", "inf"]]
    section = Section("Kept", table=table, command="clipspace probe retention")
    browser.open(write_page(tmp_path / "index.html", "Report", [section]))
    names = "return [...document.querySelectorAll('tbody tr')].map((row) => row.cells[0].textContent).join('')"
    by_factor, by_score = browser.all("th button")
    by_score.click()
    assert browser.js(names) == "edbca"
    by_score.send_keys(Keys.ENTER)
    assert browser.js(names) == "cbdea"
    assert browser.find("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    by_factor.send_keys(Keys.SPACE)
    assert browser.js(names) == "abcde"
    assert len(browser.all("th[aria-sort]")) == 1
    browser.find("button.copy").click()
    browser.until(
        "document.querySelector('.copy').textContent === 'Copied' || String(getSelection()) === 'clipspace probe retention'"
    )

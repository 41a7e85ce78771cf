"""The explorer of 20,000, 200,000 and 1,000,000 points in a headless Chromium with software GL, beside what it must keep.

    python benchmarks/explorer.py --sizes 20000 200000 1000000 --shots runs/shots

Points lie in 40 heaps of a plane, with 10 neighbours each, a name, a caption of six words, a column of 40 labels and one of
numbers. Prints, for each size: the page in MB; seconds from the start of loading to the first drawing, and until all is
unpacked; the JavaScript heap in MB after a collection, with the arrays it holds, and as `performance.memory` has it; the
median and the largest of 12 zoom steps and of 6 searches in milliseconds. A zoom step ends when the pixels are there: the
script reads one back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from browser import Browser, chromium

from clipspace.report.explorer import write_explorer
from clipspace.search.maps import Map

BARS = {20_000: (5, 1.5, 60), 200_000: (20, 3, 120), 1_000_000: (80, 8, 300)}
"""Largest page (MB), seconds to the first drawing, and heap (MB), for each number of points."""
LARGE = 20_000  # points; more are drawn in slices
ZOOM, SEARCH = 100, 300  # largest time of a zoom step and of a search, in ms
EXPLORER = "document.querySelector('#explorer .map').explorer"
QUERIES = ("photo-0004711", "harbour", "red bicycle", "photo", "e", "no such thing")
WORDS = (
    "red",
    "blue",
    "old",
    "small",
    "harbour",
    "bicycle",
    "street",
    "dog",
    "bird",
    "table",
    "window",
    "tree",
    "boat",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(BARS))
    parser.add_argument("--shots", type=Path, help="folder for screenshots: desktop, dark, phone")
    options = parser.parse_args()
    print("points     page MB   drawn s  ready s   heap MB (memory)   zoom ms        search ms")
    for n in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            page = written(n, Path(folder) / "explorer.html")
            with chromium(Path(folder) / "profile") as browser:
                print(row(n, page, measured(browser, page)), flush=True)
                if options.shots:
                    shoot(browser, options.shots, n)


def written(n: int, path: Path) -> Path:
    rng = np.random.default_rng(0)
    heap = rng.integers(40, size=n)
    middles, widths = rng.uniform(-10, 10, size=(40, 2)), rng.uniform(0.2, 1.5, size=(40, 1))
    coordinates = (middles[heap] + widths[heap] * rng.normal(size=(n, 2))).astype(np.float32)
    members = [np.flatnonzero(heap == k) for k in range(40)]
    rows = np.empty((n, 10), np.int64)
    for _k, those in enumerate(members):
        rows[those] = rng.choice(those, size=(len(those), 10))
    distances = np.sort(rng.gamma(20, 0.04, size=(n, 10)), axis=1).clip(0, 2).astype(np.float32)
    said = np.array(WORDS)[rng.integers(len(WORDS), size=(n, 6))]
    return write_explorer(
        path,
        Map(coordinates, [f"photo-{i:07}.jpg" for i in rng.permutation(n)], rows, distances),
        captions=[" ".join(words) for words in said],
        columns={"heap": [f"heap {k}" for k in heap], "height": coordinates[:, 1].astype(np.float64)},
        title="Explorer",
    )


def measured(browser: Browser, page: Path) -> dict[str, float | list[float]]:
    browser.open(page)
    browser.until("performance.getEntriesByName('explorer-ready').length")
    drawn, ready = (
        browser.js(f"return performance.getEntriesByName('explorer-{name}')[0].startTime / 1000")
        for name in ("drawn", "ready")
    )
    time.sleep(1)
    browser.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    heap = browser.driver.execute_cdp_cmd("Runtime.getHeapUsage", {})
    memory = browser.js("return performance.memory.usedJSHeapSize")
    return {
        "drawn": drawn,
        "ready": ready,
        "heap": (heap["usedSize"] + heap.get("backingStorageSize", 0)) / 1e6,
        "memory": memory / 1e6,
        "zooms": [zoom(browser, 1.5) for _ in range(6)] + [zoom(browser, 1 / 1.5) for _ in range(6)],
        "searches": [search(browser, query) for query in QUERIES],
    }


def zoom(browser: Browser, factor: float) -> float:
    """Milliseconds of one step, from the key to the pixels."""
    return browser.driver.execute_async_script(
        f"""const done = arguments[1], {{ zoomBy, settled }} = {EXPLORER}, begun = performance.now();
        zoomBy(arguments[0]);
        settled().then(() => done(performance.now() - begun));""",
        factor,
    )


def search(browser: Browser, query: str) -> float:
    """Milliseconds from the query to the count, the dimmed points being handed to the GPU."""
    return browser.driver.execute_async_script(
        f"""const done = arguments[1], {{ find, settled }} = {EXPLORER}, begun = performance.now();
        document.getElementById("explorer-search").value = arguments[0];
        find().then(settled).then(() => done(performance.now() - begun));""",
        query,
    )


def row(n: int, page: Path, got: dict) -> str:
    size = page.stat().st_size / 1e6
    limits = BARS.get(n, (np.inf, np.inf, np.inf))
    zooms, searches = got["zooms"], got["searches"]
    held = zip((size, got["drawn"], got["heap"], max(zooms), max(searches)), (*limits, ZOOM, SEARCH), strict=True)
    missed = [
        name
        for name, (value, most) in zip(("page", "drawn", "heap", "zoom", "search"), held, strict=True)
        if value > most
    ]
    return (
        f"{n:<10,}{size:8.1f}{got['drawn']:10.2f}{got['ready']:9.2f}{got['heap']:10.0f} ({got['memory']:.0f})"
        f"{np.median(zooms):10.0f}, {max(zooms):.0f}{np.median(searches):10.0f}, {max(searches):.0f}"
        f"   {'missed: ' + ', '.join(missed) if missed else 'all kept'}"
    )


def shoot(browser: Browser, folder: Path, n: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    browser.js("document.getElementById('explorer-search').value = ''")
    browser.js(f"{EXPLORER}.find()")
    for name, prepare in (
        ("desktop", browser.desktop),
        ("dark", lambda: browser.prefer("dark")),
        ("phone", browser.phone),
    ):
        browser.js("performance.clearMarks('explorer-refined')")
        prepare()
        browser.js(f"{EXPLORER}.zoomBy(1)")
        time.sleep(1)
        if n > LARGE:
            browser.until("performance.getEntriesByName('explorer-refined').length")
        browser.driver.save_screenshot(str(folder / f"{n}-{name}.png"))


if __name__ == "__main__":
    main()

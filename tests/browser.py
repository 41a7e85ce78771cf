"""A headless Chromium, driven by selenium; what needs it is skipped where there is none."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

webdriver = pytest.importorskip("selenium.webdriver")
Keys = webdriver.Keys
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
PATIENCE = 120  # seconds, for a machine that is busy with other things


@contextmanager
def chromium(profile: Path, *more: str) -> Iterator[Browser]:
    """A browser with a fresh profile and ``more`` flags. Skips the test where Chromium or its driver is missing."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *more, f"--user-data-dir={profile}", "--window-size=1360,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """One tab, and what a person could do and see in it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        self.driver.get(page.as_uri())

    def js(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def text(self, selector: str) -> str:
        quoted = self.js("return JSON.stringify(document.querySelector(arguments[0]).textContent)", selector)
        return json.loads(quoted).strip()

    def until(self, what: str) -> None:
        """Waits for a JavaScript expression to come true."""
        end = time.monotonic() + PATIENCE
        while not self.js(f"return Boolean({what})"):
            assert time.monotonic() < end, f"never came true: {what}; console: {self.console()}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def point_at(self, x: float, y: float, *, click: bool = False) -> None:
        """Moves the mouse to a pixel of the window."""
        actions = webdriver.ActionChains(self.driver)
        actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        if click:
            actions.w3c_actions.pointer_action.click()
        actions.perform()

    def wheel(self, x: float, y: float, turn: float) -> None:
        event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": turn}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    def tap(self, x: float, y: float) -> None:
        self.touch("touchStart", (x, y))
        self.touch("touchEnd")

    def pinch(self, centre: tuple[float, float], start: float, end: float) -> None:
        """Two fingers side by side, from ``start`` to ``end`` pixels apart."""
        x, y = centre
        for kind, apart in [("touchStart", start), *(("touchMove", a) for a in np.linspace(start, end, 8))]:
            self.touch(kind, (x - apart / 2, y), (x + apart / 2, y))
        self.touch("touchEnd")

    def pixels(self, element: Any) -> np.ndarray:
        """An element as it is drawn, uint8 (h, w, 3)."""
        return np.asarray(Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB"))

    def phone(self, width: int = 360, height: int = 740) -> None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def desktop(self) -> None:
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})

    def prefer(self, scheme: str) -> None:
        wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)

    def console(self) -> list[str]:
        """Errors on the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """Addresses that pages asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

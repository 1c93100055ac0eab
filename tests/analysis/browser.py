"""A real browser, driven through its pipe: pages are opened, typed into and clicked."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"),
    *("--remote-debugging-pipe", "--window-size=1400,900", "--hide-scrollbars"),
)
LONGEST_S = 40


@contextmanager
def opened_browser(profile: Path) -> Iterator["Browser"]:
    """A browser; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None or os.name != "posix":
        pytest.skip("no Chromium here to look at pages with")
    asks_at, asks = os.pipe()
    says, says_at = os.pipe()
    # It reads at 3 and writes at 4; both ends may lie there already.
    ends = [os.dup(end) for end in (asks_at, says_at)]

    def placed() -> None:
        high = [os.dup(end) for end in ends]
        for end, place in zip(high, (3, 4), strict=True):
            os.dup2(end, place)

    line = [program, *OPTIONS, f"--user-data-dir={profile}"]
    silent = subprocess.DEVNULL
    process = subprocess.Popen(
        line, pass_fds=(3, 4), preexec_fn=placed, stdout=silent, stderr=silent
    )
    for end in (asks_at, says_at, *ends):
        os.close(end)
    try:
        yield Browser(asks, says)
    finally:
        process.kill()
        process.wait()
        os.close(asks)
        os.close(says)


_NAVIGATED = "Inspected target navigated or closed"


class NavigatedError(Exception):
    """The page went away while it was asked."""


class Browser:
    """One page."""

    def __init__(self, asks: int, says: int) -> None:
        self.asks, self.says, self.rest, self.number = asks, says, b"", 0
        self.session: str | None = None
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        found = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.asks, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            if answer.get("method") == "Log.entryAdded":
                self.complaints.append(answer["params"]["entry"]["text"])
        if _NAVIGATED in answer.get("error", {}).get("message", ""):
            raise NavigatedError
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            self.rest += os.read(self.says, 1 << 20)
        said, _, self.rest = self.rest.partition(b"\0")
        return json.loads(said)

    def open(self, address: str) -> None:
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=address)
        until = time.monotonic() + LONGEST_S
        while not self.run(
            "document.readyState === 'complete' && location.href !== 'about:blank'"
            " && [...document.images].every(image => image.complete)"
        ):
            assert time.monotonic() < until, f"{address} does not open"
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """What a script gives; it is asked again where the page gave way to the next meanwhile."""
        try:
            found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        except NavigatedError:
            time.sleep(0.05)
            return self.run(script)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def click(self, element: str) -> None:
        """Where the element found by a script is."""
        box = self.run(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'nearest'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2];"
            " })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left",
                     clickCount=1)  # fmt: skip

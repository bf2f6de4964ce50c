"""Chromium without a window, driven over its DevTools pipe (https://chromedevtools.github.io/devtools-protocol): messages
are JSON with a zero byte behind each, written to the browser's descriptor 3 and read from its 4."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
).split()
PATIENCE = 90.0  # seconds for any one answer
KEYS = {
    "ArrowRight": 39,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowDown": 40,
    "Enter": 13,
    "Home": 36,
    "End": 35,
    "Escape": 27,
    " ": 32,
}


class Browser:
    """One page. Context manager. What the page throws or logs as an error is in `errors`."""

    def __enter__(self) -> Browser:
        self.profile = tempfile.mkdtemp(prefix="minitorch-browser-")
        (there, self.outbox), (self.inbox, back) = os.pipe(), os.pipe()
        # The browser must find them as 3 and 4, whatever their numbers are here.
        command = f'exec "$0" "$@" 3<&{there} 4>&{back}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, CHROMIUM, *QUIET, f"--user-data-dir={self.profile}", "about:blank"],
            pass_fds=(there, back), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(there)
        os.close(back)
        self.rest, self.last, self.errors = b"", 0, []
        self.session = None
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self.session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *error) -> None:
        self.process.terminate()
        self.process.wait(20)
        os.close(self.outbox)
        os.close(self.inbox)
        shutil.rmtree(self.profile, ignore_errors=True)

    def send(self, method: str, **params):
        """The browser's answer to one command. RuntimeError where it refuses."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.outbox, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.note(answer)

    def receive(self) -> dict:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            if not select.select([self.inbox], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.inbox, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def note(self, event: dict) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address: str | Path) -> None:
        """Load a page, to the end of its scripts."""
        self.errors.clear()
        self.send("Page.navigate", url=address.absolute().as_uri() if isinstance(address, Path) else address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, code: str):
        """The value of a JavaScript expression in the page, awaited where it is a promise."""
        answer = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", code))
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        """Until the JavaScript expression is true. TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so after {seconds} s: {condition}")
            time.sleep(0.05)

    def key(self, key: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS.get(key, 0))

    def mouse(self, *points: tuple[float, float]) -> None:
        """Press at the first point, move through the others, let go at the last."""
        for kind, (x, y) in [
            ("mousePressed", points[0]),
            *[("mouseMoved", p) for p in points],
            ("mouseReleased", points[-1]),
        ]:
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that matches."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center', inline: 'center'}});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.mouse((x, y))

    def screenshot(self, path: str | Path, whole: bool = False) -> None:
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

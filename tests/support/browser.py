"""A headless Chromium that tests control through its DevTools protocol: load a page, click in it, inspect it.

    python tests/support/browser.py PAGE PICTURE [WIDTH [HEIGHT [SCRIPT]]]     a picture of a page

The messages of the page, the errors of its scripts, and all of its requests are recorded.
"""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import websocket

from pages import CHROMIUM, FLAGS

PATIENCE = 300  # seconds for an answer on a busy machine


class Browser:
    """One tab of a headless Chromium, as a context manager."""

    def __init__(self, width: int = 1400, height: int = 900):
        self.size = width, height
        self.folder = tempfile.mkdtemp()
        self.logged: list[str] = []
        self.requests: list[str] = []
        self.number = 0

    def __enter__(self) -> "Browser":
        self.process = subprocess.Popen(
            [
                CHROMIUM,
                *(flag for flag in FLAGS if "logging" not in flag),
                "--remote-debugging-port=0",
                "--remote-allow-origins=*",
                f"--user-data-dir={self.folder}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = self._wait_for(Path(self.folder, "DevToolsActivePort"))
        self.socket = websocket.create_connection(f"ws://127.0.0.1:{port[0]}{port[1]}", timeout=PATIENCE)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        width, height = self.size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait_for(self, file: Path) -> list[str]:
        """Return the lines of the file in which Chromium writes its port."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if file.exists() and len(lines := file.read_text().split()) == 2:
                return lines
            time.sleep(0.05)
        raise TimeoutError("Chromium did not start.")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; record the events that arrive meanwhile."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            found = json.loads(self.socket.recv())
            if found.get("id") == message["id"]:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found["result"]
            self._keep(found)

    def _keep(self, event: dict[str, Any]) -> None:
        """Record an event: an error, a message of the console, or a request."""
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.logged.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            words = [str(part.get("value", part.get("description"))) for part in about["args"]]
            self.logged.append(f"{about['type']}: {' '.join(words)}")
        elif method == "Log.entryAdded":
            self.logged.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            address = about["request"]["url"]
            if not address.startswith("data:"):
                self.requests.append(address)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; it may be a promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{condition}; the console says: {self.logged}")
            time.sleep(0.05)

    def open(self, page: Path, ready: str = "document.documentElement.dataset.ready") -> None:
        """Open a page and wait until it has drawn its plots."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_until(f"document.readyState === 'complete' && {ready}")

    def click(self, x: float, y: float) -> None:
        """Move the mouse to a point of the window, and click."""
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.call("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def press(self, key: str) -> None:
        """Press and release a key that has a name, such as Enter or ArrowRight."""
        codes = {"Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}
        about = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, path: Path, full_page: bool = False) -> None:
        """Write a picture of the window, or of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full_page)
        path.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    page, picture = map(Path, sys.argv[1:3])
    size = [int(number) for number in sys.argv[3:5]]
    with Browser(*size) as browser:
        browser.open(page)
        if len(sys.argv) > 5:
            browser.run(sys.argv[5])
            time.sleep(1.5)
        browser.picture(picture)
        print("\n".join([*browser.logged, *browser.requests]))

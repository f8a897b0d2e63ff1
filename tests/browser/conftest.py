"""The page in a real browser: Chromium or Chrome, as it is found on the machine.

Without one these tests are skipped, and say so; with DUCK_BROWSER=required in the environment they fail instead.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.conftest import RunningWorkbench

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

KEY: Final = RunningWorkbench.key

SLOW: Final = 8 * 1024
"""Bytes per second."""

PATIENCE: Final = 60_000
"""Milliseconds for what must come, on a machine with much else to do."""


@dataclass
class Visit:
    """A page that a visitor has open. faults: what its console and its scripts said, CSP violations among it. foreign:
    addresses it has asked beside the endpoint's own.
    """

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def heard(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.faults.append(said.text)

    def has_asked(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith(self.url):
            self.foreign.append(request.url)

    def open_with(self, key: str) -> None:
        self.page.fill("#key", key)
        self.page.click("#enter button[type=submit]")

    def slow_down(self) -> None:
        """From now on replies come over a slow network, on which 5,000 tokens take half a minute."""
        session = self.page.context.new_cdp_session(self.page)
        slow = {"offline": False, "latency": 0, "uploadThroughput": -1, "downloadThroughput": SLOW}
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", slow)

    def choose(self, alias: str) -> None:
        self.page.click(f"#apps .name:text-is('{alias}')")
        self.page.wait_for_selector(f"#app h2:text-is('{alias}')")

    def say(self, text: str) -> None:
        self.page.fill("#query", text)
        self.page.keyboard.press("Enter")

    def run(self) -> None:
        self.page.click(".composer button[type=submit]")

    def wait_until(self, script: str) -> None:
        """Waits for a script to be true; Playwright's own way needs `eval`, which the page's policy forbids."""
        for _ in range(PATIENCE // 50):
            if self.page.evaluate(script):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never came true: {script}")

    def answer(self) -> Any:
        """The last answer, once it has ended."""
        self.page.wait_for_selector(".composer button[type=submit]")
        self.page.wait_for_selector(".message.answer:not([aria-busy])")
        return self.page.locator(".message.answer").last


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module, and not for longer: while Playwright's synchronous interface is open, its
    event loop counts as the thread's running one, and any other test of this process that calls `asyncio.run` fails.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium and no Chrome on this machine, so the page's tests did not run"
        if os.environ.get("DUCK_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, workbench: RunningWorkbench, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit of the demo endpoint. A parameter has options of the browser's context, and may name another endpoint."""
    options = {"locale": "en-US", "endpoint": "duck", **getattr(request, "param", {})}
    url = workbench.url.replace("/e/duck", f"/e/{options.pop('endpoint')}")
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    visit = Visit(page, f"{url}/")
    page.on("console", visit.heard)
    page.on("pageerror", lambda error: visit.faults.append(str(error)))
    page.on("request", visit.has_asked)
    page.goto(visit.url)
    page.wait_for_selector("#built")
    yield visit
    context.close()


@pytest.fixture
def opened(visit: Visit) -> Visit:
    """A visit of somebody with a key."""
    visit.open_with(KEY)
    visit.page.wait_for_selector("#apps button")
    return visit

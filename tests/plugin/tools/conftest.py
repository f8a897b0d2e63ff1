"""The plugin's tools, called as Dify calls them through the daemon."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest

from tests.conftest import RunningWorkbench
from tests.plugin.conftest import listed
from workbench.apps import DEMO_APPS, TEST_APPS

ANN: Final = "0aaaaaaa-0000-4000-8000-000000000001"
BOB: Final = "0bbbbbbb-0000-4000-8000-000000000002"
"""Two users of Dify's."""

APPS: Final = listed(*DEMO_APPS) + "".join(f", {alias}={app_id}" for alias, app_id in TEST_APPS.items())


@dataclass(frozen=True)
class Said:
    """What a tool has said. error: the text that Dify shows for its failure, `""` for none; its type beside it."""

    messages: list[dict[str, Any]]
    error: str = ""
    error_type: str = ""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message["message"] for message in self.messages if message["type"] == kind]

    @property
    def text(self) -> str:
        return "".join(message["text"] for message in self.of("text"))

    @property
    def json(self) -> dict[str, Any]:
        """The only JSON object."""
        (told,) = self.of("json")
        found: dict[str, Any] = told["json_object"]
        return found

    @property
    def variables(self) -> dict[str, Any]:
        return {message["variable_name"]: message["variable_value"] for message in self.of("variable")}


class Toolbox:
    """The tools of a running workbench's plugin."""

    def __init__(self, workbench: RunningWorkbench) -> None:
        self.workbench = workbench
        self._client = httpx.Client(base_url=workbench.url[: workbench.url.index("/e/")], timeout=60)

    @property
    def service_url(self) -> str:
        return self.workbench.wait_for(r"Service API at (\S+)")[1]

    def keys(self, *aliases: str) -> dict[str, str]:
        """Credentials with all apps, and keys for these."""
        pairs = ", ".join(f"{alias}=app-demo-key-{alias}" for alias in aliases)
        return {"apps": APPS, "dify_api_url": self.service_url, "dify_api_keys": pairs}

    def run(
        self, *, credentials: Mapping[str, Any] | None = None, call: Mapping[str, Any] | None = None, **parameters: Any
    ) -> Said:
        """What Run app says. credentials: of all demo apps when left out. call: the rest of the workbench's `Call`."""
        return self._say("tools/run_app", {"credentials": credentials, "parameters": parameters, **(call or {})})

    def run_listed(self, **parameters: Any) -> Said:
        """What Run listed app says."""
        return self._say("tools/run_listed_app", {"credentials": None, "parameters": parameters})

    def list(self, credentials: Mapping[str, Any] | None = None) -> Said:
        return self._say("tools/list_apps", {"credentials": credentials})

    def check(self, credentials: Mapping[str, Any]) -> Said:
        """What comes of saving these credentials; one message without a type when they hold."""
        return self._say("tool-credentials", {"credentials": credentials})

    @contextmanager
    def lines(self, *, call: Mapping[str, Any] | None = None, **parameters: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """The daemon's lines of a call of Run app, as they come."""
        body = {"credentials": {"apps": APPS}, "parameters": parameters, **(call or {})}
        with self._client.stream("POST", "/workbench/tools/run_app", json=body) as response:
            yield (json.loads(line) for line in response.iter_lines())

    def _say(self, path: str, body: Mapping[str, Any]) -> Said:
        given = {**body, "credentials": {"apps": APPS} if body["credentials"] is None else body["credentials"]}
        response = self._client.post(f"/workbench/{path}", json=given)
        response.raise_for_status()
        lines = [json.loads(line) for line in response.text.split("\n") if line]
        messages = [line["data"] for line in lines if line["code"] == 0]
        failed = [line for line in lines if line["code"] != 0]
        if not failed:
            return Said(messages)
        assert failed == lines[-1:]
        wrapped = json.loads(failed[0]["message"])
        assert wrapped["error_type"] == "PluginInvokeError"
        told = json.loads(wrapped["message"])
        return Said(messages, told["message"], told["error_type"])


@pytest.fixture
def tools(duck: RunningWorkbench) -> Toolbox:
    return Toolbox(duck)

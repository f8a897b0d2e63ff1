"""The credentials form of the tool's provider: the settings that a tool needs, checked when they are saved.

They are the endpoint's settings of the same names (`gateway.settings`). None of the sentences holds what was entered.
"""

from collections.abc import Mapping
from typing import Any

import gevent

from gateway import settings
from gateway.errors import DuckError
from gateway.settings import App, Settings
from gateway.tool.boundary import CALLER
from gateway.transports.service_api import ServiceApiTransport


def problems(credentials: Mapping[str, Any]) -> list[str]:
    """What is wrong, in sentences; none for credentials that hold, empty ones included.

    Each app that has a key is asked for at the Service API, all at once. Without a session there is no other way to
    Dify, so an app without a key is not asked for.
    """
    chosen = settings.parse(credentials)
    if chosen.faults:
        return [f"{fault}." for fault in chosen.faults]
    keyed = [app for app in chosen.apps if app.app_id in chosen.service.keys]
    asked = [gevent.spawn(_problem, chosen, app) for app in keyed]
    gevent.joinall(asked)
    return list(dict.fromkeys(sentence for job in asked if (sentence := job.get())))


def _problem(chosen: Settings, app: App) -> str:
    """What the Service API says against this app's key; `""` for nothing."""
    try:
        ServiceApiTransport(chosen.service, app, CALLER, endpoint_id="", is_local=False).parameters(app.app_id)
    except DuckError as error:
        # A fault of the settings is mended right here, and its remedy names another place.
        return error.message if error.code == "misconfigured" else f"{app.alias}: {error.sentence(with_cause=False)}"
    return ""

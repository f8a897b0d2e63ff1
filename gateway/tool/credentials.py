"""The credentials form of the tool's provider: the settings that a tool needs, checked when they are saved.

They are the endpoint's settings of the same names (`gateway.settings`). None of the sentences holds what was entered.
"""

from collections.abc import Mapping
from typing import Any

from gateway import settings
from gateway.errors import DuckError, internal_error
from gateway.log import logger
from gateway.settings import App, Settings
from gateway.streaming import place_of
from gateway.titles import of_each
from gateway.tool.boundary import CALLER
from gateway.tool.listing import LOOK_UP_WAIT
from gateway.transports.service_api import ServiceApiTransport


def problems(credentials: Mapping[str, Any]) -> list[str]:
    """What is wrong, in sentences; none for credentials that hold, empty ones included.

    Each app that has a key is asked for at the Service API, some at a time. Without a session there is no other way to
    Dify, so an app without a key is not asked for.
    """
    chosen = settings.parse(credentials)
    if chosen.faults:
        return [f"{fault}." for fault in chosen.faults]
    keyed = [app for app in chosen.apps if app.app_id in chosen.service.keys]
    found = of_each(keyed, lambda app: _problem(chosen, app), LOOK_UP_WAIT)
    sentences = [found.get(app.alias, f"{app.alias}: Dify's Service API did not answer in time.") for app in keyed]
    return list(dict.fromkeys(sentence for sentence in sentences if sentence))


def _problem(chosen: Settings, app: App) -> str:
    """What the Service API says against this app's key; `""` for nothing."""
    transport = ServiceApiTransport(chosen.service, app, CALLER, endpoint_id="", is_local=False)
    try:
        transport.parameters(app.app_id)
        kind = transport.info().kind
    except DuckError as error:
        return _said_of(app, error)
    except Exception as error:  # noqa: BLE001 - its traceback would be shown to whoever saves
        logger.error("checking the key of %s failed: %s", app.alias, place_of(error))
        return f"{app.alias}: {internal_error().message}"
    if app.kind and kind and app.kind is not kind:
        return f"apps: the kind of {app.alias} is {app.kind}, and Dify says that it is {kind}."
    return ""


def _said_of(app: App, error: DuckError) -> str:
    match error.code:
        case "misconfigured":  # mended right here, and its remedy names another place
            return error.message
        case "not_found":
            return "dify_api_url does not lead to Dify's Service API."
        case _:
            return f"{app.alias}: {error.sentence(with_cause=False)}"

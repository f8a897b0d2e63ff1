"""The tool that lists the apps of the provider's credentials: what an agent can run, and what each app takes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dify_plugin.core.runtime import Session
from dify_plugin.entities.tool import ToolInvokeMessage

from gateway import settings
from gateway.errors import DuckError
from gateway.events import TALKING, Kind
from gateway.forms import described
from gateway.kinds import Variable
from gateway.settings import App, Settings
from gateway.start import LEARNT
from gateway.titles import of_each
from gateway.tool import messages
from gateway.tool.boundary import CALLER, guarded, new_record
from gateway.tool.workspace import workspace_key
from gateway.transports.choice import transport_for
from gateway.transports.storage import SessionStorage

LOOK_UP_WAIT: Final = 10.0
"""Seconds for all that is asked of Dify (own choice, as for MCP's list)."""

NO_APPS: Final = (
    "No apps are listed. Whoever has authorized Duck under Tools in Dify lists them there, as alias=app_id."
)

type Form = tuple[Variable, ...]


def list_apps(session: Session, credentials: Mapping[str, Any], user: str) -> Iterator[ToolInvokeMessage]:
    """A short text, and a JSON object with more. user: as of `run_app`, and raises as it does."""
    chosen, record = settings.parse(credentials), new_record("list_apps")
    return guarded(_list(session, chosen, user), record, chosen)


def _list(session: Session, chosen: Settings, user: str) -> Iterator[ToolInvokeMessage]:
    apps = [app for app in chosen.apps if not app.fault]
    entries = _entries(session, chosen, user, apps) if apps else []
    yield from messages.texts("\n".join(_line(entry) for entry in entries) or NO_APPS)
    yield messages.json_object(messages.carried({"apps": entries}))


def _entries(session: Session, chosen: Settings, user: str, apps: list[App]) -> list[dict[str, Any]]:
    """Each app; what can't be found out in time is left open, so that no app makes the others wait."""
    workspace = workspace_key(SessionStorage(session))

    def look_up(app: App) -> tuple[Kind | None, Form | None]:
        transport = transport_for(session, chosen, app, f"{CALLER}:{user}")
        try:
            form = LEARNT.form(workspace, app, transport)
            return LEARNT.find(workspace, app, transport), form
        except DuckError:
            return LEARNT.known(workspace, app), None

    found = of_each(apps, look_up, LOOK_UP_WAIT)
    return [_entry(app, *found.get(app.alias, (LEARNT.known(workspace, app), None))) for app in apps]


def _entry(app: App, kind: Kind | None, form: Form | None) -> dict[str, Any]:
    """One app. kind `""` and needs_query null: not known. inputs null: Dify does not tell the form."""
    shown = None if form is None else [described(variable) for variable in form if variable.name != app.user]
    return {
        "alias": app.alias,
        "title": app.title,
        "about": app.about,
        "kind": kind or "",
        "needs_query": kind in TALKING if kind else None,
        "inputs": shown,
    }


_QUERY: Final[Mapping[bool | None, str]] = {
    True: " Takes a query.",
    False: "",
    None: " Takes a query if it is a chat.",
}
_UNKNOWN: Final = " What it takes is not known."


def _line(entry: Mapping[str, Any]) -> str:
    """One app in a line: `desk (chat), Support desk: answers customers. Takes a query. Inputs: name (text-input).`"""
    kind = f" ({entry['kind']})" if entry["kind"] else ""
    title = f", {_on_one_line(entry['title'])}" if entry["title"] else ""
    about = f": {_on_one_line(entry['about']).rstrip('.')}." if entry["about"] else "."
    query = _QUERY[entry["needs_query"]] if entry["inputs"] is not None else _UNKNOWN
    inputs = ", ".join(_named(field) for field in entry["inputs"] or ())
    return f"{entry['alias']}{kind}{title}{about}{query}" + (f" Inputs: {inputs}." if inputs else "")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _named(field: Mapping[str, Any]) -> str:
    return f"{field['name']} ({field['type']}{', required' if field['required'] else ''})"

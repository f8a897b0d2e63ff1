"""Who may call which app: keys and the allow-list. Knows nothing of protocols.

Fail-closed: without a valid key in the settings, and without the operator's explicit `access: open`, nobody gets in.
"""

import hashlib
import hmac
from dataclasses import dataclass

from werkzeug.datastructures import Headers

from gateway.errors import DuckError
from gateway.settings import PLACEHOLDERS, Access, App, Exposure, Settings, canonical_id


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. name: as in the settings; `anonymous` under `access: open`."""

    name: str


def authenticate(settings: Settings, headers: Headers) -> Caller:
    """The caller whose key is in `Authorization: Bearer` or `X-API-Key`; one valid key is enough.

    Raises a 401 that is the same whether the app exists or not, and a 500 `misconfigured` when every key in the
    settings is faulty. A wrong key is a 401 also under `access: open`.
    """
    given = _given_keys(headers)
    callers = [caller for key in given if (caller := _caller_of(key, settings))]
    if callers:
        return callers[0]
    if settings.access is Access.OPEN:
        if not given:
            return Caller("anonymous")
        raise _unauthorized("The key is not valid.", "This endpoint is open: send no key, or a valid one.")
    if not settings.access_keys:
        _refuse_all(settings)
    raise _unauthorized(
        "The key is not valid." if given else "This address needs a key.",
        "Send one of the endpoint's access keys as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'.",
    )


def choose_app(settings: Settings, name: str | None) -> App:
    """The app that `name` (an alias or an id) means; without a name the only app, else the default one.

    Raises `app_not_found`, the same for what is malformed, unknown or not exposed, before Dify is asked;
    `misconfigured` for an app whose own entry is faulty, and for an unknown name while an entry can't be read.
    """
    if name is None or name == "":
        app = settings.apps[0] if len(settings.apps) == 1 else settings.default_app
        if app is None:
            raise _no_app_named(settings)
    elif name in PLACEHOLDERS:
        raise DuckError("app_not_found", f"{name} is a placeholder.", "Put the app's alias, or its id, in its place.")
    else:
        app = settings.app_named(name) or _workspace_app(settings, name)
    if app.fault:
        raise app.fault.as_error()
    return app


def _no_app_named(settings: Settings) -> DuckError:
    if settings.apps or settings.exposure is Exposure.WORKSPACE:
        return DuckError(
            "app_not_found",
            "The address names no app, and the endpoint has no default one.",
            "Put an app's alias or id at the end of the path.",
        )
    return _unreadable_entry(settings) or DuckError(
        "app_not_found",
        "This endpoint exposes no app yet.",
        "Its operator picks one in the setting app, or lists apps.",
    )


def _unreadable_entry(settings: Settings) -> DuckError | None:
    """The fault that may be why a name is unknown."""
    told = [app.fault for app in settings.apps]
    unread = (fault for fault in settings.faults if fault.setting in ("apps", "aliases") and fault not in told)
    return next((fault.as_error() for fault in unread), None)


def app_not_found() -> DuckError:
    """The one answer for every app that a caller may not reach."""
    return DuckError(
        "app_not_found",
        "There is no app of this name here.",
        "Use an alias or an id of an app that the endpoint exposes.",
    )


def _workspace_app(settings: Settings, name: str) -> App:
    app_id = canonical_id(name)
    if settings.exposure is not Exposure.WORKSPACE or not app_id:
        raise _unreadable_entry(settings) or app_not_found()
    return App(app_id, app_id)


def _given_keys(headers: Headers) -> list[str]:
    """The keys in both headers; one may come from a proxy and be none of Duck's."""
    scheme, _, credentials = headers.get("Authorization", "").strip().partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    return [key for key in (bearer, headers.get("X-API-Key", "").strip()) if key]


def _caller_of(given: str, settings: Settings) -> Caller | None:
    """Compares with every key, to the last byte, so that the time tells nothing about any of them."""
    digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest()
    caller = None
    for key in settings.access_keys:
        if hmac.compare_digest(key.digest, digest):
            caller = Caller(key.caller)
    return caller


def _refuse_all(settings: Settings) -> None:
    faults = [fault for fault in settings.faults if fault.setting == "access_keys"]
    if faults:
        raise faults[0].as_error()
    if settings.access is Access.KEY:
        raise _unauthorized(
            "This endpoint has no access key yet, so nobody can use it.",
            "Its operator sets access_keys in the endpoint's settings.",
        )


def _unauthorized(message: str, remedy: str) -> DuckError:
    return DuckError("unauthorized", message, remedy, headers={"WWW-Authenticate": 'Bearer realm="duck"'})

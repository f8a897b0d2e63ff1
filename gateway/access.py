"""Who may call which app: keys, tokens and the allow-list. Knows nothing of protocols.

Fail-closed: without a valid key in the settings, and without the operator's explicit `access: open`, nobody gets in.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from werkzeug.datastructures import Headers

from gateway.errors import DuckError
from gateway.origins import is_foreign
from gateway.settings import ANONYMOUS, PLACEHOLDERS, Access, App, Exposure, Settings, canonical_id


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. name: as in the settings; `anonymous` under `access: open`.

    app_id, alias, user: the app, under the name it had, and the user that a token is bound to; all `""` for a caller
    with a key. is_ambient: nothing in the request but what a browser adds by itself says who calls.
    """

    name: str
    app_id: str = ""
    alias: str = ""
    user: str = ""
    is_ambient: bool = False

    @property
    def has_token(self) -> bool:
        return bool(self.app_id)


TOKEN_PREFIX: Final = "duck-token-"  # noqa: S105 - how a token begins, and none
"""Tells a token from a key, so that no wrong key makes Duck look into the storage."""

type TokenReader = Callable[[str], Caller | None]
"""The caller of a token, None for a text that is none. Raises `DuckError` where it can't be told."""

_BEARER: Final = 'Bearer realm="duck"'
_BASIC: Final = 'Basic realm="duck", charset="UTF-8"'
"""RFC 7617, 2.1: makes a browser ask its user for name and password."""


@dataclass(frozen=True, slots=True)
class _Credential:
    """A text by which a request says who calls. is_ambient: a browser sends it by itself, to any page's request."""

    key: bytes
    is_ambient: bool


def authenticate(settings: Settings, headers: Headers, read_token: TokenReader, *, asks_user: bool = False) -> Caller:
    """The caller whose key is the bearer, the `X-API-Key` or the password of HTTP Basic; one valid key is enough.

    asks_user: whether a 401 shall make a browser ask its user. Raises a 401 that is the same whether the app exists or
    not, and a 500 `misconfigured` when every key in the settings is faulty. A wrong key is a 401 also under `access:
    open`. A request of a page that is not listed, with nothing but what a browser sends by itself, is a 403
    `origin_not_allowed`.
    """
    caller = _authenticated(settings, headers, read_token, _BASIC if asks_user else _BEARER)
    if caller.is_ambient and is_foreign(headers, settings.origins, any_may=caller.name == ANONYMOUS):
        raise _origin_not_allowed()
    return caller


def _authenticated(settings: Settings, headers: Headers, read_token: TokenReader, challenge: str) -> Caller:
    given = _credentials(headers)
    for credential in given:
        if caller := _caller_with_key(credential, settings):
            return caller
    for credential in given:  # a token may make Duck look into the storage, which a good key never needs
        if not credential.is_ambient and (caller := read_token(credential.key.decode("utf-8", "replace"))):
            return caller
    if settings.access is Access.OPEN:
        if not given and not _has_odd_authorization(headers):
            return Caller(ANONYMOUS, is_ambient=True)
        raise _unauthorized("The key is not valid.", "This endpoint is open: send no key, or a valid one.", challenge)
    if not settings.access_keys:
        raise _nobody_gets_in(settings, challenge)
    if any(credential.key.startswith(TOKEN_PREFIX.encode()) and not credential.is_ambient for credential in given):
        raise _unauthorized(
            "The token is over, or not valid here.", "Get a new one from the server that gave it.", challenge
        )
    raise _unauthorized(
        "The key is not valid." if given else "This address needs a key.",
        "Send one of the endpoint's access keys as 'Authorization: Bearer <key>' or 'X-API-Key: <key>', or as the "
        "password of HTTP Basic.",
        challenge,
    )


def says_who(headers: Headers) -> bool:
    """Whether a request holds anything by which it says who calls."""
    return bool(_credentials(headers)) or _has_odd_authorization(headers)


def choose_app(settings: Settings, caller: Caller, name: str | None) -> App:
    """The app that `name` (an alias or an id) means; without a name the only app in the caller's scope, else the
    default one.

    Raises `app_not_found`, the same for what is malformed, unknown, not exposed or out of the caller's scope, before
    Dify is asked; `misconfigured` for an app whose own entry is faulty, for a scope that can't be read, and for an
    unknown name while an entry can't be read.
    """
    scope = settings.scopes.get(caller.name)
    if scope and scope.fault:
        raise scope.fault.as_error()
    if name is None or name == "":
        app = _app_without_name(settings, caller)
    elif name in PLACEHOLDERS:
        raise DuckError("app_not_found", f"{name} is a placeholder.", "Put the app's alias, or its id, in its place.")
    else:
        app = settings.app_named(name) or _workspace_app(settings, name)
        if not _is_in_scope(settings, caller, app):
            raise _unreadable_entry(settings) or app_not_found()
    if app.fault:
        raise app.fault.as_error()
    return app


def choose_model(settings: Settings, caller: Caller, model: str) -> App:
    """The app that a client means by a model's name; where only one app is there for this caller, any name is its.

    Raises as `choose_app`.
    """
    if caller.has_token:
        return choose_app(settings, caller, caller.alias)
    apps = exposed_apps(settings, caller)
    if len(apps) == 1 and settings.exposure is Exposure.LISTED:
        return choose_app(settings, caller, apps[0].app_id)
    return choose_app(settings, caller, model)


def exposed_apps(settings: Settings, caller: Caller) -> list[App]:
    """The listed apps that this caller may call, in the order of the settings; under `exposure: workspace` also those
    that its scope names by their ids.
    """
    listed = [app for app in settings.apps if _is_in_scope(settings, caller, app)]
    scope = settings.scopes.get(caller.name)
    if scope is None or settings.exposure is not Exposure.WORKSPACE:
        return listed
    known = {app.app_id for app in settings.apps}
    others = (App(app_id, app_id) for app_id in scope.app_ids if app_id not in known)
    return [*listed, *(app for app in others if _is_in_scope(settings, caller, app))]


def _is_in_scope(settings: Settings, caller: Caller, app: App) -> bool:
    scope = settings.scopes.get(caller.name)
    is_tokens = not caller.has_token or (caller.app_id, caller.alias) == (app.app_id, app.alias)
    return (scope is None or app.app_id in scope.app_ids) and is_tokens


def _app_without_name(settings: Settings, caller: Caller) -> App:
    if caller.has_token:
        return choose_app(settings, caller, caller.alias)
    apps = exposed_apps(settings, caller)
    app = apps[0] if len(apps) == 1 else settings.default_app
    if app is None or app not in apps:
        raise _no_app_named(settings)
    return app


def _no_app_named(settings: Settings) -> DuckError:
    if settings.apps or settings.exposure is Exposure.WORKSPACE:
        return DuckError(
            "app_not_found",
            "The address names no app, and the endpoint has no default one.",
            "Name one by its alias or id: in the path (/chat/<app_id>, /apps/<app_id>/v1/…), in the header X-Duck-App, "
            "or as the body's 'model' (OpenAI) or 'app' (/tokens).",
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


def _credentials(headers: Headers) -> list[_Credential]:
    """What both headers hold, first what no browser sends by itself; one may come from a proxy, and be no key here."""
    scheme, _, value = headers.get("Authorization", "").strip().partition(" ")
    authorization = _Credential(b"", is_ambient=False)
    if scheme.lower() == "bearer":
        authorization = _Credential(_bytes(value), is_ambient=False)
    elif scheme.lower() == "basic":
        authorization = _Credential(_password(value), is_ambient=True)
    api_key = _Credential(_bytes(headers.get("X-API-Key", "")), is_ambient=False)
    both = (api_key, authorization) if authorization.is_ambient else (authorization, api_key)
    return [credential for credential in both if credential.key]


def _has_odd_authorization(headers: Headers) -> bool:
    """Whether `Authorization` holds something, and no key; a scheme alone is what a client without a key sends."""
    return headers.get("Authorization", "").strip().lower() not in ("", "bearer", "basic")


def _bytes(text: str) -> bytes:
    return text.strip().encode("utf-8", "surrogatepass")


def _password(value: str) -> bytes:
    """The password of HTTP Basic, whoever the user is (RFC 7617, 2)."""
    try:
        return base64.b64decode(_bytes(value), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _caller_with_key(credential: _Credential, settings: Settings) -> Caller | None:
    """Compares with every key, to the last byte, so that the time tells nothing about any of them."""
    digest = hashlib.sha256(credential.key).digest()
    caller = None
    for key in settings.access_keys:
        if hmac.compare_digest(key.digest, digest):
            caller = Caller(key.caller, is_ambient=credential.is_ambient)
    return caller


def _nobody_gets_in(settings: Settings, challenge: str) -> DuckError:
    faults = [fault for fault in settings.faults if fault.setting in ("access_keys", "callers")]
    if faults:
        return faults[0].as_error()
    return _unauthorized(
        "This endpoint has no access key yet, so nobody can use it.",
        "Its operator sets access_keys in the endpoint's settings.",
        challenge,
    )


def _unauthorized(message: str, remedy: str, challenge: str) -> DuckError:
    return DuckError("unauthorized", message, remedy, headers={"WWW-Authenticate": challenge})


def _origin_not_allowed() -> DuckError:
    return DuckError(
        "origin_not_allowed",
        "A page of another site has sent this, and it is not among the endpoint's cors_origins.",
        "Open the address itself, or send a token as 'Authorization: Bearer <token>'; its operator can list the page's "
        "origin.",
    )

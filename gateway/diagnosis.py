"""What the daemon, the SDK and Dify say when something breaks, turned into a `DuckError`.

Texts come in four shapes (wire section 4): A, an HTTP error of Dify before the run; B, an `error` event inside the
run; C, an error frame of Dify's response; D, the transport. Nothing of a text is passed on but what was recognised or
cleaned: no traceback, no JSON, no path, no key. Unknown texts become `dify_error` or `app_failed`, never an exception.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from gateway.errors import DuckError

MAX_CAUSE: Final = 400
"""Characters of somebody else's text that are passed on: a sentence or two, not a page (own choice)."""

MAX_READ: Final = 4_000
"""Characters of it that are looked at, since a caller may choose what an app fails with (own choice)."""

RETRY_AFTER_BUSY: Final = 30
"""Seconds; Dify's pool answers after 30 s of waiting for a connection (wire 14.8)."""

_HTTP_ERROR: Final = re.compile(r"status code:? (\d{3}) and respond with: (.*)", re.DOTALL)
_PROVIDER_STATUS: Final = re.compile(r"status code:? (\d{3})")
TRACEBACK: Final = "Traceback (most recent call last)"
"""How a Python traceback begins, whatever it is packed into."""

_EXCEPTION_LINE: Final = re.compile(r"\b\w+(?:Error|Exception|Warning|Interrupt)\b(?:: [^\\\"\n]*)?")
_SECRET: Final = re.compile(
    r"\b(?:sk|pk|rk|app|ghp|gho|xox[abpr])[-_](?=\S{0,80}[0-9*])[A-Za-z0-9*_-]{8,}|\bAKIA[0-9A-Z]{12,}|\bAIza[\w-]{20,}"
    r"|\bBearer\s+\S+|\b(?i:api[-_ ]?key|token|secret|password)[\"']?\s*[=:]\s*(?=\S{0,80}[0-9*])[^\s,;]{8,}"
)
"""Keys as providers write them into their messages; a digit or a mask tells them from plain words."""

_INNER_ADDRESS: Final = re.compile(r"https?://(?:[\w-]+|\d+(?:\.\d+){3}|\[[^\]]*\])(?::\d+)?(?![\w.-])[^\s'\"),]*")
"""An address whose host has no domain, such as http://api:5001: a container or a machine inside."""

_PATH: Final = re.compile(r"(?<![\w.:/-])/(?:[\w.@+-]+/)+[\w.@+-]*")
_JSON_BEGINS: Final = re.compile(r"[{\[]\s*[\"'{\[]|^\s*\"")
"""Where packed data begins in a text; what could not be unpacked is not for people."""

_SECRET_NAME: Final = re.compile(r"key|token|secret|password|authorization", re.IGNORECASE)
_NOISE: Final = re.compile(
    r"^(?:Run failed: |\[models\] |Error: |(?:Failed to transform agent message: )?req_id: \w+ |PluginInvokeError: "
    r"|(?:[\w-]+ ){0,4}invoke error: |An error occurred in the \S+?, please contact the author of \S+ for help, "
    r"|error type: \w+, error details: )+"
)


def from_platform(text: str) -> DuckError:
    """What an exception of the SDK's reverse call means (shapes A, C and D).

    text: `str(exception)`. An unknown text is a 502 `dify_error`.
    """
    http_error = _HTTP_ERROR.search(text) if text.startswith("invoke app failed: ") else None
    if http_error:
        return _from_http_error(int(http_error[1]), _json_object(http_error[2]))
    if text.startswith("read app failed: request failed: "):  # shape C: Dify's own words, whatever they are
        return _dify_error()
    for fragment, failure in _TRANSPORT_FAILURES:
        if fragment in text:
            return failure()
    return _dify_error()


def from_service_reply(status: int, body: bytes, alias: str, *, is_run: bool) -> DuckError:
    """What a reply of Dify's Service API means that is not the one that was asked for (wire sections 4, 14.9).

    status: its HTTP status; one below 400 stands for a reply of another form. body: what was read of it. alias: the
    app's name in the settings. is_run: whether an app was to be run. What is not Dify's own `{"code", "message",
    "status"}` is a proxy's, or a stranger's.
    """
    said = _json_object(body.decode(errors="replace")) or {}
    code, message = str(said.get("code") or ""), _ROUTE_HINT.sub("", str(said.get("message") or "")).strip()
    if status == HTTPStatus.UNAUTHORIZED:
        return _misconfigured(f"dify_api_keys: Dify does not accept the key of {alias}")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _dify_error() if code or status not in _PROXY_FAILURES else _service_down(status)
    if status in _FILE_REFUSALS:
        return _refused(_FILE_REFUSALS[status], message, "Send a smaller file, or one of a type that the app takes.")
    if status == HTTPStatus.TOO_MANY_REQUESTS and code not in _PROVIDER_CODES:
        return _app_busy(alias)
    if status < HTTPStatus.BAD_REQUEST or not code or _NO_SUCH_ROUTE.search(message):
        return not_service_api(status)
    return _from_service_refusal(status, code, message, alias, is_run=is_run)


def _from_service_refusal(status: int, code: str, message: str, alias: str, *, is_run: bool) -> DuckError:
    """What Dify says itself of a call that it does not run."""
    if code in _WRONG_ROUTE:
        return _wrong_route(alias)
    if code in _SERVICE_REFUSALS:
        return _SERVICE_REFUSALS[code]()
    if code in _PROVIDER_CODES:
        return _provider_error(message, rate_limited=code == "rate_limit_error")
    if status == HTTPStatus.FORBIDDEN:
        return _closed_app(alias, message)
    if _NO_CONVERSATION.search(message):
        return unknown_conversation()
    if status == HTTPStatus.NOT_FOUND:
        return _refused("not_found", message, "Ids are those that this caller was given for this app.")
    return _from_bad_request(message, is_run=is_run)


def _from_bad_request(message: str, *, is_run: bool) -> DuckError:
    invalid = _VALIDATION.match(message)
    if invalid:
        return _refused("invalid_request", ": ".join(part for part in invalid.groups() if part), "Correct the request.")
    if not is_run and not _known_refusal(message):
        return _refused(
            "invalid_request", message, "Correct the request; what an app can do is its author's to turn on."
        )
    return _from_http_error(HTTPStatus.BAD_REQUEST, {"message": message})


def from_error_event(raw: Mapping[str, Any]) -> DuckError:
    """What Dify's `error` event inside a run means (shape B; codes of wire section 2.1, and law 15)."""
    code, message = str(raw.get("code") or ""), str(raw.get("message") or "")
    if code == "internal_server_error":
        return _dify_error()
    if code == "provider_quota_exceeded":
        return _quota_exceeded()
    if code in _PROVIDER_CODES:
        return _provider_error(message, rate_limited=code == "rate_limit_error")
    return from_run_error(message)


def from_run_error(text: str) -> DuckError:
    """What a failed run says of itself: `workflow_finished.data.error`, or the message of an `error` event.

    A model provider's failure is told by its packing (law 15): a 502 `provider_error`, or its 429. Anything else is the
    app's own failure, a 502 `app_failed`, whose words are in `cause`.
    """
    if _is_from_provider(text):
        return _provider_error(text)
    return DuckError(
        "app_failed",
        "The app failed while it was running.",
        "The app's log in Dify names the step that failed.",
        cause=readable(text),
    )


def refused_inputs(text: str) -> DuckError | None:
    """What a run that ended before its first step says of its inputs, as the Service API tells what the reverse path
    refuses (wire 14.9); None for any other text.
    """
    refusal = _known_refusal(text)
    return refusal if refusal and refusal.code == "invalid_input" else None


def readable(text: str) -> str:
    """The innermost sentence of a text that wraps JSON in text in JSON; one line, no secret, at most `MAX_CAUSE`.

    `""` when nothing readable is inside: a cut JSON text or the debris of a stream (wire 14.14).
    """
    inner = _innermost(text)
    if TRACEBACK in inner:
        inner = _last_line(inner)
    line = _masked(_JSON_BEGINS.split(inner, maxsplit=1)[0])
    return line if len(line) <= MAX_CAUSE else line[: MAX_CAUSE - 1] + "…"


def _masked(text: str) -> str:
    """One line without keys, and without addresses and paths of the platform's inside."""
    text = _SECRET.sub("***", text[:MAX_READ])
    return " ".join(_PATH.sub("(path)", _INNER_ADDRESS.sub("(address)", text)).split())


def without_traceback(text: str) -> str:
    """`text` as it is, or, where it carries a traceback, only what that says in the end (wire 14.17)."""
    return readable(text) or "It failed." if TRACEBACK in text else text


def _last_line(traceback: str) -> str:
    """The line of a traceback that is meant for people, e.g. `ValueError: the tool broke`; `""` if there is none."""
    found = _EXCEPTION_LINE.findall(traceback[-MAX_READ:])
    return found[-1] if found else ""


def _from_http_error(status: int, body: Mapping[str, Any] | None) -> DuckError:
    message = str((body or {}).get("message") or "").strip()
    refusal = _known_refusal(message)
    if refusal:
        return refusal
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _busy()
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        return _refused_daemon(status)
    if body is None or status != HTTPStatus.BAD_REQUEST:
        return _dify_error()
    if message == "":
        return nameless_refusal()
    if message.startswith(("Run failed: ", "{")) or _is_from_provider(message):
        return from_run_error(message)
    said = readable(message).rstrip(".")
    return DuckError(
        "invalid_request",
        f"Dify refused the call before the app was started{f': {said}' if said else ''}.",
        "Check the query and the inputs against the app's input form.",
    )


def _known_refusal(message: str) -> DuckError | None:
    for pattern, failure in _REFUSALS:
        found = pattern.search(message)
        if found:
            return failure(found)
    return None


def _refused_daemon(status: int) -> DuckError:
    """Dify's inner API did not let the daemon in; none of it is the caller's doing."""
    return DuckError(
        "dify_unreachable",
        f"Dify's API refused its own plugin daemon (HTTP {status}).",
        "The daemon's DIFY_INNER_API_URL and DIFY_INNER_API_KEY must be those of the API.",
    )


def nameless_refusal() -> DuckError:
    """Dify's 400 without a message: an unknown conversation, or a chat app without a model (wire section 4)."""
    return DuckError(
        "conversation_not_found",
        "Dify refused the call without a reason, which it does for a conversation that does not exist in this app.",
        "Start without conversation_id; if that fails too, the app has no model configured in Dify.",
    )


def app_unavailable(alias: str = "") -> DuckError:
    """Dify does not know the app, or it lives in another workspace. alias: its name in the settings, where known."""
    return DuckError(
        "app_unavailable",
        f"Dify does not find the app{f' {alias}' if alias else ''} in the workspace that Duck is installed in.",
        "Its operator has to correct the app's id in Duck's settings.",
    )


def _missing_query() -> DuckError:
    return DuckError(
        "wrong_app_kind",
        "This is a chat app, and the call has no query.",
        "Send a non-empty query to /chat/<app_id>.",
    )


def _not_published() -> DuckError:
    return DuckError(
        "app_not_published",
        "Dify can't run this app: it is not published, or of a kind that plugins can't call.",
        "Publish the app in Dify, then try again.",
    )


def unknown_conversation() -> DuckError:
    """Dify's Service API does not know a conversation, or not as this user's with this app (wire 14.9)."""
    return DuckError(
        "conversation_not_found",
        "Dify does not know this conversation of this user and app, or it has ended.",
        "Start without conversation_id.",
    )


def not_service_api(status: int) -> DuckError:
    """What answers at `dify_api_url` is a page, another API, or a redirect, which Duck does not follow."""
    what = "a redirect, which is not followed" if 300 <= status < 400 else "not Dify's Service API"  # noqa: PLR2004
    return _misconfigured(f"dify_api_url: what answers there (HTTP {status}) is {what}")


def _service_down(status: int) -> DuckError:
    return DuckError(
        "dify_unreachable",
        f"The proxy before Dify's Service API says that the API does not answer (HTTP {status}).",
        "Try again later; its operator sees that Dify's API container is up.",
    )


def _app_busy(alias: str) -> DuckError:
    return DuckError(
        "dify_busy",
        f"Dify runs no more calls of the app {alias} at once.",
        "Try again later.",
        headers={"Retry-After": str(RETRY_AFTER_BUSY)},
    )


def _closed_app(alias: str, message: str) -> DuckError:
    said = readable(message).rstrip(".")
    return DuckError(
        "app_unavailable",
        f"Dify does not let the app {alias} be called by its API{f': {said}' if said else ''}.",
        "Its operator turns the app's API on in Dify, or sees to the workspace.",
    )


def _wrong_route(alias: str) -> DuckError:
    return DuckError(
        "wrong_app_kind",
        f"The app {alias} is not of the kind that it was called as.",
        "Call it by the route of its kind; its operator corrects a wrong kind in the setting apps.",
    )


def _refused(code: str, message: str, remedy: str) -> DuckError:
    said = readable(message).rstrip(".")
    return DuckError(code, f"Dify refused this{f': {said}' if said else ''}.", remedy)


def _misconfigured(problem: str) -> DuckError:
    return DuckError(
        "misconfigured",
        f"Duck's settings have a fault: {problem}.",
        "Its operator mends it in the endpoint's settings.",
    )


def storage_unavailable() -> DuckError:
    """For what needs the plugin's storage while it can't be read or written."""
    return DuckError(
        "storage_unavailable",
        "The plugin's storage in Dify's plugin daemon can't be used now, and conversations and tokens need it.",
        "Try again; if it stays so, its operator checks that the plugin may use storage (1 MiB) and that the daemon's "
        "storage works.",
        headers={"Retry-After": "10"},
    )


def is_session_gone(text: str) -> bool:
    """Whether a call was refused because its caller has left (wire 14.4; serverless: daemon#808, whose refusal the SDK
    itself can't read: it misses a member of it, and the name of that is all that its error says).
    """
    return text == "'session_id'" or any(
        said in text for said in ("context canceled", "session not found", "failed to get session info from cache")
    )


def completion_not_supported() -> DuckError:
    """Dify 1.16 fails on every reverse call of a completion app (`KeyError: 'query'`, wire section 3)."""
    return DuckError(
        "completion_not_supported",
        "Dify can't run a text generator (completion app) for a plugin: its reverse invocation fails on them.",
        "The endpoint's operator puts the app's own API key into dify_api_keys, and it runs by Dify's own API.",
    )


def _busy() -> DuckError:
    return DuckError(
        "dify_busy",
        "Dify has no free connection for another run.",
        "Try again later; SERVER_WORKER_CONNECTIONS of Dify's API raises the number of runs at once.",
        headers={"Retry-After": str(RETRY_AFTER_BUSY)},
    )


def _dify_error() -> DuckError:
    return DuckError(
        "dify_error",
        "Dify failed with an error of its own and did not say why.",
        "The log of Dify's API container has the cause.",
    )


def _unreachable() -> DuckError:
    return DuckError(
        "dify_unreachable",
        "Dify's plugin daemon could not reach Dify's API.",
        "See that the API is up and that the daemon's DIFY_INNER_API_URL points at it.",
    )


def _interrupted() -> DuckError:
    return DuckError(
        "dify_unreachable",
        "The connection between Dify's plugin daemon and Dify's API broke during the run.",
        "Try again.",
    )


def _cancelled() -> DuckError:
    return DuckError(
        "client_gone",
        "The run was cancelled, as the plugin daemon does when the caller has left.",
        "Send it again if you are still there; daemons 0.6.7 and 0.6.8 do this without a cause, and 0.6.9 mends it.",
    )


def _permission_denied() -> DuckError:
    return DuckError(
        "permission_denied",
        "The plugin daemon does not let this plugin call apps.",
        "Install the unchanged package again: its manifest asks for the permission.",
    )


def _protocol_failure() -> DuckError:
    return DuckError(
        "dify_error",
        "The plugin daemon did not accept the call that Duck made.",
        "The daemon's version may be unsupported; Duck's README lists those that work.",
    )


def read_timeout() -> DuckError:
    """The daemon closed a reverse call at its time limit before Duck did (law 13)."""
    return DuckError(
        "run_timeout",
        "Dify's plugin daemon ended the run at its time limit for one call of an app.",
        "Raise DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT (milliseconds) of the daemon, and the setting run_timeout.",
    )


def silence_timeout() -> DuckError:
    """Nothing came from the app for `MAX_INVOCATION_TIMEOUT` seconds (law 13)."""
    return DuckError(
        "silence_timeout",
        "The app sent nothing for so long that the plugin's SDK gave up waiting.",
        "Raise MAX_INVOCATION_TIMEOUT (seconds) in the environment of the plugin daemon.",
    )


def _quota_exceeded() -> DuckError:
    return DuckError(
        "quota_exceeded",
        "The workspace's quota for this model provider is used up.",
        "Its owner can add credit or a model key under Settings, Model Provider in Dify.",
    )


def _is_from_provider(text: str) -> bool:
    """Whether a text is packed as the platform packs a model provider's failure (wire 14.6)."""
    if "PluginInvokeError" in text or "model failed: " in text:
        return True
    packed = _json_object(_NOISE.sub("", text))
    return packed is not None and "error_type" in packed


def _provider_error(text: str, *, rate_limited: bool = False) -> DuckError:
    """A model provider's failure; its words are part of the message, for a caller can't guess them."""
    said = readable(text)
    status = _provider_status(text)
    rate_limited = rate_limited or status == "429" or "RateLimit" in text
    with_status = f" (HTTP {status})" if status else ""
    return DuckError(
        "provider_error",
        f"The app's model provider failed{with_status}" + (f": {said.rstrip('.')}." if said else "."),
        "Try again later."
        if rate_limited
        else "Its operator finds the provider under Settings, Model Provider in Dify.",
        status=429 if rate_limited else None,
    )


def _provider_status(text: str) -> str:
    """The provider's HTTP status: the last one named, since outer layers repeat their own 400 first; `""` if none."""
    found = _PROVIDER_STATUS.findall(text)
    return found[-1] if found else ""


def _innermost(text: str) -> str:
    """Peels layer after layer: noise words, JSON objects, `… respond with: {…}`, Python's repr of a dict."""
    for _ in range(12):  # more layers than any recording has (chatflow-agentnode-err: 7)
        text = _NOISE.sub("", text.strip())
        brace = text.find("{")
        packed = _json_object(text[brace:]) if brace >= 0 else None
        if packed is None:
            return text
        inner = _message_of(packed)
        if not inner:
            return text[:brace].strip(" :") if brace else text
        text = inner
    return text


def _message_of(packed: Mapping[str, Any]) -> str:
    """The most telling member of an error object: `args.description`, `error.message`, `message`, `error`, `detail`.

    An object with one member is a tool's name and what it said.
    """
    args, error = packed.get("args"), packed.get("error")
    candidates = (
        args.get("description") if isinstance(args, dict) else None,
        error.get("message") if isinstance(error, dict) else None,
        None if packed.get("code") == 0 else packed.get("message"),
        error,
        packed.get("detail"),
        next((value for name, value in packed.items() if not _SECRET_NAME.search(str(name))), None)
        if len(packed) == 1
        else None,
    )
    return next((text for text in candidates if isinstance(text, str) and text), "")


def _json_object(text: str) -> dict[str, Any] | None:
    """The object that `text` begins with, as JSON or as Python's repr; None when it is neither."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        value = _python_literal(text)
    except RecursionError:
        return None
    return value if isinstance(value, dict) else None


def _python_literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _invalid_input(message: str) -> DuckError:
    return DuckError("invalid_input", _masked(message), "The app's input form in Dify says what it takes.")


_PROVIDER_CODES: Final = frozenset(
    {"provider_not_initialize", "model_currently_not_support", "completion_request_error", "rate_limit_error"}
)

_PROXY_FAILURES: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""What a proxy says for itself when it reaches no API behind it."""

_FILE_REFUSALS: Final[Mapping[int, str]] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
}
_WRONG_ROUTE: Final = frozenset({"not_chat_app", "not_workflow_app", "not_completion_app"})

_SERVICE_REFUSALS: Final[Mapping[str, Callable[[], DuckError]]] = {
    "app_unavailable": _not_published,
    "provider_quota_exceeded": _quota_exceeded,
}

_ROUTE_HINT: Final = re.compile(r" You have requested this URI \[.*", re.DOTALL)
"""What Flask-RESTX appends to a 404 of Dify's own (recordings `*-unknown-conversation`)."""

_NO_SUCH_ROUTE: Final = re.compile(r"^The (?:requested URL was not found|method is not allowed)")
_NO_CONVERSATION: Final = re.compile(
    r"^Conversation Not Exists|conversation_id must be a valid UUID|^The conversation has ended"
)
_VALIDATION: Final = re.compile(
    r"\d+ validation errors? for \w+\n(?:(\S+)\n)?\s+(?:Value error, )?(.{1,300}?) \[type=", re.DOTALL
)
"""How Dify tells what is wrong with a body (pydantic): its input, the caller's user included, is not repeated."""

_REFUSALS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], DuckError]], ...]] = (
    (re.compile(r"^app not found$"), lambda _: app_unavailable()),
    (re.compile(r"^unexpected app type"), lambda _: _not_published()),
    (re.compile(r"^missing query$"), lambda _: _missing_query()),
    (re.compile(r"^user not found$"), lambda _: _busy()),
    (re.compile(r"^(.{1,200}) is required in input form$"), lambda m: _invalid_input(f"The input {m[1]} is required.")),
    (
        re.compile(r"^(?:\(type '[\w-]+'\) )?(.{1,200}?) in input form (must be .{1,2000})$", re.DOTALL),
        lambda m: _invalid_input(f"The input {m[1]} {m[2]}."),
    ),
    (
        re.compile(r"^File validation failed for file: (.{0,200})$"),
        lambda m: _invalid_input(f"The app does not take the file {m[1]}."),
    ),
    (
        re.compile(r"^Invalid input type for (?:\[')?(.{1,200}?)(?:'\])?$"),
        lambda m: _invalid_input(f"The input {m[1]} has the wrong type."),
    ),
    (
        re.compile(r"^(?:ToolFile|UploadFile|File) \S+ not found"),
        lambda _: _invalid_input("Dify does not find a file that an input names, or may not read it for this caller."),
    ),
    (
        re.compile(r"^Detected file type does not match the specified type"),
        lambda _: _invalid_input("A file input names a type that is not the file's own."),
    ),
    (re.compile(r"^invalid payload: "), lambda _: _protocol_failure()),
)
"""Dify's refusals before a run (wire section 4, shape A), first match wins."""

_TRANSPORT_FAILURES: Final[tuple[tuple[str, Callable[[], DuckError]], ...]] = (
    ("invocation exited without response", silence_timeout),
    ("permission denied", _permission_denied),
    ("unmarshal backwards invoke request failed", _protocol_failure),
    ("context canceled", _cancelled),
    ("use of closed network connection", read_timeout),
    ("read on closed response body", read_timeout),
    ("connection refused", _unreachable),
    ("no such host", _unreachable),
    ("dial tcp", _unreachable),
    ("EOF", _interrupted),
    ("connection reset", _interrupted),
    ("failed to read system header", _interrupted),
    ("i/o timeout", _unreachable),
    ("timeout awaiting response headers", _busy),
    ("Client.Timeout", _busy),
)
"""Fragments of the daemon's and the SDK's own texts (wire sections 1.5, 4 C and D, 14.5), first match wins."""

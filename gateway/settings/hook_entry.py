"""The member `hook` of an app's entry in `apps`: where a webhook's delivery goes, how it is signed and answered.

All of it comes as text (`settings.apps`). The first fault counts; it is the hook's alone, and the app stays callable by
every other route.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

from gateway.hooks.entry import Form, Hook, Outcome, Reply, Said
from gateway.hooks.paths import BadPath, Path
from gateway.hooks.schemes import BODY, GENERIC, ID, TIMESTAMP, Algorithm, Encoding, HeaderNames, Scheme

_MEMBERS: Final = ("query", "body", "fields", "inputs", "headers", "signature", "reply")
_SIGNATURE_MEMBERS: Final = ("header", "prefix", "algorithm", "encoding", "signed", "timestamp", "id")
_REPLY_MEMBERS: Final = ("form", "output", *Outcome)
_SAID_MEMBERS: Final = ("status", "body")

_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
"""A name with _ never arrives (law 11)."""

_KEPT_BACK: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers that no app is given: they hold what opens other doors (law 18)."""

_STATUS: Final = re.compile(r"2(?!05)\d\d|[45]\d\d")
"""205 has no body, and says something else (RFC 9110, 15.3.6)."""
_PLACEHOLDER: Final = re.compile(r"(\{[^{}]*\})")
_BY_HEADER: Final[Mapping[str, str]] = {TIMESTAMP: "timestamp", ID: "id"}
"""Which member names the header of what is signed."""


class BadHook(Exception):
    """A hook that can't be read; the message says why, without its content."""


def read_hook(entry: object) -> Hook:
    """Raises `BadHook`."""
    members = _mapping(entry, "hook", _MEMBERS)
    inputs, headers = _texts(members.get("inputs"), "hook.inputs"), _texts(members.get("headers"), "hook.headers")
    body, query = _text(members, "body", "hook"), _text(members, "query", "hook")
    named = [*([body] if body else []), *inputs, *headers]
    if len(set(named)) < len(named):
        raise BadHook("hook fills an input twice")
    if any(not _HEADER.fullmatch(header) or header.lower() in _KEPT_BACK for header in headers.values()):
        raise BadHook("hook.headers takes names of headers, of letters, digits and -, and none that holds a key")
    return Hook(
        query=_path(query, "hook.query") if query else None,
        body=body,
        takes_fields=_choice(members, "fields", "hook", ("off", "on")) == "on",
        inputs=MappingProxyType({name: _path(path, "hook.inputs") for name, path in inputs.items()}),
        headers=MappingProxyType(headers),
        signature=_scheme(members["signature"]) if members.get("signature") else None,
        reply=_reply(members["reply"]) if members.get("reply") else Reply(),
    )


def _scheme(entry: object) -> Scheme:
    members = _mapping(entry, "hook.signature", _SIGNATURE_MEMBERS)
    header, prefix, signed = (_text(members, name, "hook.signature") for name in ("header", "prefix", "signed"))
    names = HeaderNames(header, *(_text(members, name, "hook.signature") for name in ("timestamp", "id")))
    if not all(_HEADER.fullmatch(name) for name in (header, names.timestamp or header, names.id or header)):
        raise BadHook("hook.signature takes names of headers, of letters, digits and -, and needs header")
    return Scheme(
        GENERIC,
        (names,),
        _signed(signed or BODY, members),
        algorithm=_choice(members, "algorithm", "hook.signature", ("sha256", *get_args(Algorithm.__value__))),
        encoding=_choice(members, "encoding", "hook.signature", get_args(Encoding.__value__)),
        prefix=prefix,
    )


def _signed(pattern: str, members: Mapping[str, Any]) -> tuple[str, ...]:
    """The parts of what is signed.

    No two requests may come to the same text: so nothing that an id may hold stands beside one, and no digit beside a
    time. A time may touch the body, for it has ten digits for the next 260 years, and no zero before them.
    """
    parts = tuple(part for part in _PLACEHOLDER.split(pattern) if part)
    places = [part for part in parts if part.startswith("{")]
    if not {BODY} <= {*places} <= {BODY, TIMESTAMP, ID} or len(places) != len({*places}):
        raise BadHook("hook.signature.signed is made of {body}, once, and of {timestamp} and {id}, at most once each")
    for place, name in _BY_HEADER.items():
        if (place in places) != bool(members.get(name)):
            raise BadHook(
                f"hook.signature.{name} names the header of {place} in signed; one without the other is no use"
            )
    if re.search(r"[\w-]\{id\}|\{id\}[\w-]|\{id\}\{|\}\{id\}|\d\{timestamp\}|\{timestamp\}\d", pattern, re.ASCII):
        raise BadHook(
            "hook.signature.signed needs a sign such as . between {id}, or {timestamp}, and what is beside it"
        )
    return parts


def _reply(entry: object) -> Reply:
    members = _mapping(entry, "hook.reply", _REPLY_MEMBERS)
    form = Form(_choice(members, "form", "hook.reply", tuple(Form)))
    said = {outcome: _said(members[outcome], form) for outcome in Outcome if members.get(outcome)}
    return Reply(form, _text(members, "output", "hook.reply"), MappingProxyType(said))


def _said(entry: object, form: Form) -> Said:
    """A status, or a status and a body."""
    members = {"status": entry} if isinstance(entry, str) else _mapping(entry, "hook.reply", _SAID_MEMBERS)
    status = _text(members, "status", "hook.reply") or "200"
    body = _text(members, "body", "hook.reply") if "body" in members else None
    if not _STATUS.fullmatch(status):
        raise BadHook("hook.reply takes a status from 200 to 299 (but 205), or from 400 to 599")
    if body is not None and form is Form.JSON:
        _check_json(body)
    return Said(int(status), body)


def _check_json(body: str) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadHook("hook.reply has a body that is not JSON; form: text takes any") from error


def _path(expression: str, place: str) -> Path:
    try:
        return Path.of(expression)
    except BadPath as error:
        raise BadHook(f"{place}: {error}") from error


def _mapping(entry: object, place: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or not all(name in known for name in entry):
        raise BadHook(f"{place} takes {', '.join(known)}, in braces")
    return entry


def _texts(entry: object, place: str) -> dict[str, str]:
    """Names with a text each; an empty entry is none."""
    if entry in (None, ""):
        return {}
    if not isinstance(entry, dict) or not all(
        isinstance(text, str) and text for pair in entry.items() for text in pair
    ):
        raise BadHook(f"{place} takes names with a text each, in braces")
    return entry


def _text(members: Mapping[str, Any], name: str, place: str) -> str:
    value = members.get(name) or ""
    if not isinstance(value, str):
        raise BadHook(f"{place}.{name} must be a text")
    return value


def _choice[T: str](members: Mapping[str, Any], name: str, place: str, choices: tuple[T, ...]) -> T:
    """One of them, the first where nothing is said."""
    value = _text(members, name, place) or choices[0]
    chosen = next((choice for choice in choices if choice == value), None)
    if chosen is None:
        raise BadHook(f"{place}.{name} must be one of {', '.join(dict.fromkeys(choices))}")
    return chosen

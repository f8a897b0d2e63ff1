"""The settings form, read into one frozen value; the only reader of raw settings.

Policy (DESIGN section 4): the daemon never fills defaults and a cleared field arrives as `""`, so both mean the
default. A fault disables only what its entry governs: a bad `access_keys` entry is a key less, a bad `apps` entry is
an app that answers 500. Faults name the setting and the entry, never its content.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import yaml

from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.wire import json_bytes, read_json

log: Final = logging.getLogger("duck.settings")

MIN_KEY_LENGTH: Final = 16
"""Characters; a shorter access key can be guessed (own choice; 64 bits when made of hex digits)."""

DEFAULT_MAX_STREAMS: Final = 100
"""DESIGN section 4."""

APP_SELECTORS: Final = ("app", "app_2", "app_3", "app_4", "app_5")

_ALIAS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CALLER_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_MASK: Final = "****"
"""How Dify shows a stored secret in its form (`ab****yz`)."""

_ENTRY_MEMBERS: Final = ("app_id", "kind", "query", "answer", "user")


class Exposure(StrEnum):
    """Which apps a caller may name."""

    LISTED = "listed"
    WORKSPACE = "workspace"


class Access(StrEnum):
    """Who may call."""

    KEY = "key"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the settings. entry: which one of a list, from 1 on; 0 for the setting as a whole."""

    setting: str
    entry: int
    problem: str

    def __str__(self) -> str:
        place = f"{self.setting}, entry {self.entry}" if self.entry else self.setting
        return f"{place}: {self.problem}"

    def as_error(self) -> DuckError:
        return DuckError(
            "misconfigured",
            f"Duck's settings have a fault: {self}.",
            "Its operator mends it in the endpoint's settings.",
        )


@dataclass(frozen=True, slots=True)
class App:
    """An app that callers may name.

    alias: its name in URLs. app_id: its UUID in Dify. kind: as configured, None when Duck has to find out. query: the
    input that takes the caller's text, answer: the output that is the answer (both of a workflow), user: the input that
    takes the caller's `user`; each `""` when not configured. inputs: defaults that a caller may override.
    """

    alias: str
    app_id: str
    kind: Kind | None = None
    query: str = ""
    answer: str = ""
    user: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A caller's key, kept as its SHA-256."""

    caller: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator has chosen. faults: all of them; `fatal`: those that govern every call."""

    apps: tuple[App, ...] = ()
    default_app: App | None = None
    exposure: Exposure = Exposure.LISTED
    access: Access = Access.KEY
    access_keys: tuple[AccessKey, ...] = ()
    detail: Detail = Detail.ANSWER
    run_timeout: float | None = None
    keep_alive: bool = False
    files_url: str = ""
    max_streams: int = DEFAULT_MAX_STREAMS
    faults: tuple[Fault, ...] = ()
    fatal: tuple[Fault, ...] = ()

    def app_named(self, name: str) -> App | None:
        """The listed app with this alias or id."""
        wanted = canonical_id(name) or name
        return next((app for app in self.apps if app.alias == name or app.app_id == wanted), None)


def parse(raw: Mapping[str, Any]) -> Settings:
    """The settings in what Dify sent; never raises, whatever that is. Parsed once per distinct content."""
    return _parse(json_bytes(dict(raw)))


@lru_cache(maxsize=256)
def _parse(content: bytes) -> Settings:
    settings = _Reader(read_json(content)).settings()
    for fault in settings.faults:
        log.warning("misconfigured: %s", fault)
    return settings


def canonical_id(text: str) -> str:
    """An app's UUID as Dify writes it; `""` when `text` is none."""
    try:
        return str(UUID(text)) if len(text) in (32, 36) else ""
    except ValueError:
        return ""


class _Reader:
    """Reads one form; collects its faults."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.faults: list[Fault] = []
        self.fatal: list[Fault] = []

    def settings(self) -> Settings:
        selected = self._selected_apps()
        apps = self._apps(selected)
        exposure = self._choice("exposure", Exposure, Exposure.LISTED)
        access = self._choice("access", Access, Access.KEY)
        if access is Access.OPEN and exposure is Exposure.WORKSPACE:
            self._fail("access", "open can't be combined with exposure: workspace")
        default = next((app for app in apps if selected and app.app_id == selected[0].app_id), None)
        settings = Settings(
            apps=apps,
            default_app=default,
            exposure=exposure,
            access=access,
            access_keys=self._access_keys(),
            detail=Detail[self._choice("detail", _DetailName, _DetailName.ANSWER).value.upper()],
            run_timeout=self._run_timeout(),
            keep_alive=self._choice("keep_alive", _Switch, _Switch.OFF) is _Switch.ON,
            files_url=self._files_url(),
            max_streams=self._max_streams(),
        )
        return replace(settings, faults=tuple(self.faults), fatal=tuple(self.fatal))

    def _fault(self, setting: str, problem: str, entry: int = 0) -> Fault:
        fault = Fault(setting, entry, problem)
        self.faults.append(fault)
        return fault

    def _fail(self, setting: str, problem: str) -> None:
        """A fault that governs every call."""
        self.fatal.append(self._fault(setting, problem))

    def _text(self, name: str) -> str:
        value = self.raw.get(name)
        if value is None or isinstance(value, str):
            return (value or "").strip()
        self._fail(name, "must be text")
        return ""

    def _choice[E: StrEnum](self, name: str, choices: type[E], default: E) -> E:
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        try:
            return choices(value)
        except ValueError:
            self._fail(name, f"must be one of {', '.join(choices)}")
            return default

    def _selected_apps(self) -> list[App]:
        """The apps picked in the form, in order, named by `aliases` in order."""
        aliases = self._aliases()
        picked = [(name, self.raw.get(name)) for name in APP_SELECTORS if self.raw.get(name)]
        apps = []
        for place, (name, value) in enumerate(picked):
            app_id = canonical_id(str(value.get("app_id") or "")) if isinstance(value, dict) else ""
            if not app_id:
                self._fail(name, "does not hold an app; pick it again")
                continue
            inputs = value.get("inputs") if isinstance(value, dict) else None
            alias = aliases[place] if place < len(aliases) else name
            apps.append(App(alias, app_id, inputs=inputs if isinstance(inputs, dict) else {}))
        if len(aliases) > len(picked):
            self._fault("aliases", "names more apps than are picked", len(picked) + 1)
        return apps

    def _aliases(self) -> list[str]:
        names = re.split(r"[,\s]+", self._text("aliases").strip(", \t\n")) if self._text("aliases") else []
        for place, name in enumerate(names, 1):
            if not _ALIAS.fullmatch(name):
                self._fault("aliases", "an alias is 1 to 64 letters, digits, _ or -", place)
        return names

    def _apps(self, selected: list[App]) -> tuple[App, ...]:
        """All listed apps by alias: the picked ones, then those of `apps`, whose entries may add to a picked one."""
        apps = {app.alias: app for app in selected}
        if len(apps) < len(selected):
            self._fault("aliases", "two apps have the same alias")
        for place, (alias, entry) in enumerate(self._app_entries(), 1):
            if not _ALIAS.fullmatch(alias):
                self._fault("apps", "an alias is 1 to 64 letters, digits, _ or -", place)
            else:
                apps[alias] = self._app(alias, entry, apps.get(alias), place)
        return tuple(apps.values())

    def _app_entries(self) -> list[tuple[str, object]]:
        text = self._text("apps")
        if text.startswith("{"):
            return self._app_mapping(text)
        entries: list[tuple[str, object]] = []
        for place, item in enumerate(filter(None, re.split(r"[,\s]+", text)), 1):
            alias, separator, app_id = item.partition("=")
            if separator:
                entries.append((alias, app_id))
            else:
                self._fault("apps", "expected alias=app_id", place)
        return entries

    def _app_mapping(self, text: str) -> list[tuple[str, object]]:
        try:
            entries = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            self._fail("apps", "is neither alias=app_id pairs nor YAML or JSON")
            return []
        if not isinstance(entries, dict):
            self._fail("apps", "must map aliases to apps")
            return []
        return [(str(alias), entry) for alias, entry in entries.items()]

    def _app(self, alias: str, entry: object, known: App | None, place: int) -> App:
        """One entry of `apps`; with its first fault where it has one, so that its callers are told."""
        members = {"app_id": entry} if isinstance(entry, str) else entry
        if not isinstance(members, dict):
            return App(alias, "", fault=self._fault("apps", "expected an app id, or members in braces", place))
        app_id = canonical_id(str(members.get("app_id") or "")) or (known.app_id if known else "")
        app = replace(known or App(alias, app_id), app_id=app_id)
        problem = self._entry_problem(members, app_id)
        if problem:
            return replace(app, fault=self._fault("apps", problem, place))
        kind = members.get("kind")
        return replace(
            app,
            kind=_KINDS[kind] if kind else app.kind,
            query=members.get("query") or "",
            answer=members.get("answer") or "",
            user=members.get("user") or "",
        )

    def _entry_problem(self, members: Mapping[object, object], app_id: str) -> str:
        unknown = [name for name in members if name not in _ENTRY_MEMBERS]
        if str(members.get("app_id") or "").startswith("app-"):
            return "an app's API key does not belong here, for this setting is not encrypted"
        if unknown:
            return f"knows only {', '.join(_ENTRY_MEMBERS)}"
        if not app_id or (members.get("app_id") and not canonical_id(str(members["app_id"]))):
            return "app_id is not an app's id (a UUID, as in the address of its page in Dify)"
        if members.get("kind") and members["kind"] not in _KINDS:
            return f"kind must be one of {', '.join(_KINDS)}"
        if not all(isinstance(members.get(name) or "", str) for name in ("query", "answer", "user")):
            return "query, answer and user are names of variables"
        return ""

    def _access_keys(self) -> tuple[AccessKey, ...]:
        keys: dict[bytes, AccessKey] = {}
        for place, item in enumerate(filter(None, re.split(r"[,\s]+", self._text("access_keys"))), 1):
            name, separator, key = item.partition("=")
            if not separator or not key.strip("=") or not _CALLER_NAME.fullmatch(name):
                name, key = "default", item
            problem = _key_problem(key)
            digest = _digest_of(key)
            if not problem and digest in keys and keys[digest].caller != name:
                problem = "the same key stands under two names"
            if problem:
                self._fault("access_keys", problem, place)
            else:
                keys[digest] = AccessKey(name, digest)
        return tuple(keys.values())

    def _run_timeout(self) -> float | None:
        found = re.fullmatch(r"(\d{1,6}) ?(s|m|h)?", self._text("run_timeout"))
        if not found:
            if self._text("run_timeout"):
                self._fail("run_timeout", "must be a time such as 300, 300s or 5m")
            return None
        seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]
        if seconds == 0:
            self._fail("run_timeout", "must be more than 0")
        return float(seconds) or None

    def _max_streams(self) -> int:
        text = self._text("max_streams")
        if not text:
            return DEFAULT_MAX_STREAMS
        if not re.fullmatch(r"[1-9]\d{0,5}", text):
            self._fail("max_streams", "must be a whole number from 1 on")
            return DEFAULT_MAX_STREAMS
        return int(text)

    def _files_url(self) -> str:
        text = self._text("files_url").rstrip("/")
        if text and not re.fullmatch(r"https?://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*)?", text):
            self._fail("files_url", "must be an address such as https://dify.example.com")
            return ""
        return text


class _DetailName(StrEnum):
    ANSWER = "answer"
    PROGRESS = "progress"
    FULL = "full"


class _Switch(StrEnum):
    OFF = "off"
    ON = "on"


def _key_problem(key: str) -> str:
    if _MASK in key:
        return "Dify's mask was edited; enter the whole value again"
    if key.startswith("sha256:"):
        return "" if _DIGEST.fullmatch(key) else "sha256: is followed by 64 hexadecimal digits"
    return f"under {MIN_KEY_LENGTH} characters" if len(key) < MIN_KEY_LENGTH else ""


def _digest_of(key: str) -> bytes:
    given = _DIGEST.fullmatch(key)
    return bytes.fromhex(given[1]) if given else hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


_KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "chat": Kind.CHAT,
        "agent": Kind.AGENT,
        "agent-chat": Kind.AGENT,
        "chatflow": Kind.CHATFLOW,
        "advanced-chat": Kind.CHATFLOW,
        "workflow": Kind.WORKFLOW,
        "completion": Kind.COMPLETION,
    }
)
"""Dify's names for people, and its own for `app.mode`."""

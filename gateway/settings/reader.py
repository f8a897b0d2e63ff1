"""The settings form, read into one frozen value; the only reader of raw settings.

Policy (DESIGN section 4): the daemon never fills defaults and a cleared field arrives as `""`, so both mean the
default. A fault disables only what its entry governs: a bad `access_keys` entry is a key less, a bad `apps` entry is
an app that answers 500. Faults name the setting and the entry, never its content.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import pydantic_core
import yaml

from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.log import logger
from gateway.wire import json_bytes

MIN_KEY_LENGTH: Final = 16
"""Characters; a shorter access key can be guessed (own choice; 64 bits when made of hex digits)."""

DEFAULT_MAX_STREAMS: Final = 100
"""DESIGN section 4."""

APP_SELECTORS: Final = ("app", "app_2", "app_3", "app_4", "app_5")

_ALIAS: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CALLER_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_SEPARATORS: Final = re.compile(r"[,;\s\uff0c\u3001\uff1b]+")
"""Commas, semicolons and white space, the full-width ones of a Chinese or Japanese keyboard included."""

PLACEHOLDERS: Final = frozenset({"<app_id>", "{app_id}", ":app_id", "app_id", "<alias>", "{alias}"})
"""What people copy from a route's description instead of an app's name."""

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
    try:
        return _parse(json_bytes(dict(raw)))
    except ValueError:  # nested deeper than any form makes it
        fault = Fault("settings", 0, "can't be read")
        return Settings(faults=(fault,), fatal=(fault,))


@lru_cache(maxsize=256)
def _parse(content: bytes) -> Settings:
    settings = _Reader(pydantic_core.from_json(content)).settings()
    for fault in settings.faults:
        if fault not in _logged:
            _logged.add(fault)
            logger.warning("misconfigured: %s", fault)
    return settings


_logged: Final[set[Fault]] = set()
"""Faults that the log has had already, whichever form they stood in."""


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
        default = next((app for app in apps if selected and app.alias == selected[0].alias), None)
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

    def _list(self, name: str) -> list[tuple[int, str]]:
        """The entries of a list in one line, with their places from 1 on."""
        return list(enumerate(filter(None, _SEPARATORS.split(self._text(name))), 1))

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
        aliases = self._list("aliases")
        picked = [name for name in APP_SELECTORS if self.raw.get(name)]
        for place, _ in aliases[len(picked) :]:
            self._fault("aliases", "names more apps than are picked", place)
        apps: list[App] = []
        for index, name in enumerate(picked):
            app = self._selected_app(name, self.raw[name])
            if index < len(aliases):
                app = self._named(app, *aliases[index], taken=[known.alias for known in apps])
            apps.append(app)
        return apps

    def _selected_app(self, name: str, value: object) -> App:
        members = value if isinstance(value, dict) else {}
        app_id = canonical_id(str(members.get("app_id") or ""))
        inputs = members.get("inputs")
        fault = None if app_id else self._fault(name, "does not hold an app; pick it again")
        return App(name, app_id, inputs=inputs if isinstance(inputs, dict) else {}, fault=fault)

    def _named(self, app: App, place: int, alias: str, taken: list[str]) -> App:
        """The app under its alias; under the selector's name where that can't be one."""
        problem = _alias_problem(alias) or ("names two apps" if alias in taken else "")
        if problem:
            self._fault("aliases", problem, place)
            return app
        return replace(app, alias=alias)

    def _apps(self, selected: list[App]) -> tuple[App, ...]:
        """All listed apps by alias: the picked ones, then those of `apps`, whose entries may add to a picked one."""
        apps = {app.alias: app for app in selected}
        seen: set[str] = set()
        for place, (alias, entry) in enumerate(self._app_entries(), 1):
            problem = _alias_problem(alias) or ("names two apps" if alias in seen else "")
            seen.add(alias)
            if problem:
                self._fault("apps", problem, place)
            else:
                apps[alias] = self._app(alias, entry, apps.get(alias), place)
        return tuple(apps.values())

    def _app_entries(self) -> list[tuple[str, object]]:
        """`alias=app_id` pairs, spaces around the sign allowed; a bare id is its own alias. Or YAML, JSON included."""
        text = self._text("apps")
        if text.startswith("{"):
            return self._app_mapping(text)
        items = filter(None, _SEPARATORS.split(re.sub(r"\s*=\s*", "=", text)))
        pairs = (item.partition("=") for item in items)
        return [(alias, app_id if sign else alias) for alias, sign, app_id in pairs]

    def _app_mapping(self, text: str) -> list[tuple[str, object]]:
        try:
            # Every scalar as text: YAML 1.1 would take the alias "on" for a truth value.
            entries = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it builds nothing but text, lists and mappings
        except (yaml.YAMLError, ValueError, RecursionError):
            entries = None
        if not isinstance(entries, dict):
            self._fault("apps", "is neither alias=app_id pairs nor YAML or JSON that maps aliases to apps")
            return []
        return [(str(alias), entry) for alias, entry in entries.items()]

    def _app(self, alias: str, entry: object, known: App | None, place: int) -> App:
        """One entry of `apps`; with its fault where it has one, so that whoever calls the app is told."""
        members = {"app_id": entry} if isinstance(entry, str) else entry
        app = known or App(alias, "")
        problem = (
            _entry_problem(members, app) if isinstance(members, dict) else "expected an app id, or members in braces"
        )
        if problem or not isinstance(members, dict):
            return replace(app, fault=self._fault("apps", problem, place))
        return replace(
            app,
            app_id=canonical_id(members.get("app_id") or "") or app.app_id,
            kind=_KINDS[members["kind"]] if members.get("kind") else app.kind,
            query=members.get("query") or "",
            answer=members.get("answer") or "",
            user=members.get("user") or "",
        )

    def _access_keys(self) -> tuple[AccessKey, ...]:
        keys: dict[bytes, AccessKey] = {}
        for place, item in self._list("access_keys"):
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
        text = self._text("run_timeout")
        found = re.fullmatch(r"([1-9]\d{0,5}) ?(s|m|h)?", text)
        if found:
            return float(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"])
        if text:
            self._fail("run_timeout", "must be a time such as 300, 300s or 5m")
        return None

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
            self._fault("files_url", "must be an address such as https://dify.example.com")
            return ""
        return text


def _alias_problem(alias: str) -> str:
    if not _ALIAS.fullmatch(alias):
        return "an alias is 1 to 64 letters, digits, _ or -"
    return "is a placeholder, not an alias" if alias in PLACEHOLDERS else ""


def _entry_problem(members: Mapping[Any, Any], app: App) -> str:
    """The first fault of one app's members; `""` for none."""
    if not all(name in _ENTRY_MEMBERS and isinstance(value, str) for name, value in members.items()):
        return f"takes {', '.join(_ENTRY_MEMBERS)}, each a text"
    given = members.get("app_id") or ""
    if given.startswith("app-"):
        return "an app's API key does not belong here, for this setting is not encrypted"
    if not canonical_id(given or app.app_id):
        return "app_id is not an app's id (a UUID, as in the address of its page in Dify)"
    if app.app_id and given and canonical_id(given) != app.app_id:
        return "names an app that is picked above already, with another id"
    if members.get("kind") and members["kind"] not in _KINDS:
        return f"kind must be one of {', '.join(_KINDS)}"
    return ""


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

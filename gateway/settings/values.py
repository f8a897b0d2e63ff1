"""What an operator has chosen, as frozen values; how it is read from the form is the other modules' business."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.hooks.entry import Hook
from gateway.hooks.schemes import Secret
from gateway.origins import Origins

DEFAULT_MAX_STREAMS: Final = 100
"""DESIGN section 4."""

DEFAULT_CALLER: Final = "default"
"""The caller of a bare key (DESIGN section 4)."""

ANONYMOUS: Final = "anonymous"
"""Whoever calls without a key under `access: open`; no key can have this name."""

PLACEHOLDERS: Final = frozenset({"<app_id>", "{app_id}", ":app_id", "app_id", "<alias>", "{alias}"})
"""What people copy from a route's description instead of an app's name."""


_DIGITS: Final = re.compile(r"[0-9a-fA-F]{32}")


class MemoryMode(StrEnum):
    """What becomes of the earlier messages of a client that carries no conversation (the official plugin's names)."""

    ALL_MESSAGES = "all_messages"
    LAST_USER_MESSAGE = "last_user_message"


class ThinkTags(StrEnum):
    """What becomes of `<think>` blocks in an answer."""

    SPLIT = "split"
    KEEP = "keep"


class Exposure(StrEnum):
    """Which apps a caller may name."""

    LISTED = "listed"
    WORKSPACE = "workspace"


class Access(StrEnum):
    """Who may call."""

    KEY = "key"
    OPEN = "open"


class ConversationIds(StrEnum):
    """How callers see a conversation: as a handle that only they can use, or as Dify's own id."""

    SEALED = "sealed"
    PLAIN = "plain"


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
    takes the caller's `user`, transcript: the one for earlier messages, instructions: the one for what the caller tells
    the app to be; title, about: what it is called and what it does, for those who choose among apps; each `""` when not
    configured. inputs: defaults that a caller may override. hook: what becomes of its webhooks; hook_fault: why that
    can't be told.
    """

    alias: str
    app_id: str
    kind: Kind | None = None
    query: str = ""
    answer: str = ""
    user: str = ""
    transcript: str = ""
    instructions: str = ""
    title: str = ""
    about: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    hook: Hook = field(default_factory=Hook)
    hook_fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A caller's key, kept as its SHA-256."""

    caller: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """The apps that a caller is held to, by id. fault: why it can't be told which, and so none can be called."""

    app_ids: frozenset[str]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `amount` calls in `seconds`."""

    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Service:
    """Dify's Service API. url: its address, `/v1` included, no slash at its end; `""` for none. keys: those of apps, by
    app id; none where there is no address.
    """

    url: str = ""
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Who may send webhooks. is_on: whether the operator has set any secret, be it a good one or not."""

    is_on: bool = False
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator has chosen. faults: all of them; `fatal`: those that govern every call."""

    apps: tuple[App, ...] = ()
    default_app: App | None = None
    exposure: Exposure = Exposure.LISTED
    access: Access = Access.KEY
    access_keys: tuple[AccessKey, ...] = ()
    scopes: Mapping[str, Scope] = field(default_factory=lambda: MappingProxyType({}))
    origins: Origins = field(default_factory=Origins)
    rates: tuple[Rate, ...] = ()
    conversation_ids: ConversationIds = ConversationIds.SEALED
    conversation_header: str = ""
    memory_mode: MemoryMode = MemoryMode.ALL_MESSAGES
    think_tags: ThinkTags = ThinkTags.SPLIT
    detail: Detail = Detail.ANSWER
    run_timeout: float | None = None
    keep_alive: bool = False
    has_page: bool = True
    files_url: str = ""
    max_streams: int = DEFAULT_MAX_STREAMS
    service: Service = field(default_factory=Service)
    webhooks: Webhooks = field(default_factory=Webhooks)
    faults: tuple[Fault, ...] = ()
    fatal: tuple[Fault, ...] = ()

    def app_named(self, name: str) -> App | None:
        """The listed app with this alias or id."""
        return app_named(self.apps, name)


def app_named(apps: Iterable[App], name: str) -> App | None:
    """The one of the apps with this alias or id."""
    wanted = canonical_id(name)
    return next((app for app in apps if app.alias == name or (wanted and app.app_id == wanted)), None)


def canonical_id(text: str) -> str:
    """An app's UUID as Dify writes it; `""` when `text` is none."""
    # `UUID` alone reads a digit mistyped as `_`, and gives the id of another app.
    digits = text.replace("-", "")
    return str(UUID(digits)) if len(text) in (32, 36) and _DIGITS.fullmatch(digits) else ""

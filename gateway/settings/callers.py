"""Who may call: the keys of `access_keys` and `callers`, and the scopes that hold a caller to some apps.

Whatever can't be read never gives more: a faulty key is a key less, a scope that can't be read closes out its caller,
or, where it can't be told whom it was for, all.
"""

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.settings.form import MASK, MASK_PROBLEM, Form, split
from gateway.settings.values import (
    ANONYMOUS,
    DEFAULT_CALLER,
    AccessKey,
    App,
    Exposure,
    Scope,
    canonical_id,
)

MIN_KEY_LENGTH: Final = 16
"""Characters; a shorter access key can be guessed (own choice; 64 bits when made of hex digits)."""

_CALLER_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DIGEST: Final = re.compile(r"sha256:([0-9a-fA-F]{64})", re.IGNORECASE)
_ENTRY: Final = re.compile(r"([^()=]*)(\([^()]*\))?(?:=([^()]*))?")
"""`name=sha256:<hex>`, `name(app1,app2)`, or both in one."""

_BRACKETS: Final = frozenset("()[]{}")
"""What may have been meant to hold apps."""

_BEGUN: Final = re.compile(r"([a-z][a-z0-9_-]{0,31})[(\[{][^(\[{]*")
"""A caller, and one bracket opened behind its name: whatever follows is about no one else."""

_FULL_WIDTH: Final = str.maketrans("\uff08\uff09", "()")
"""The parentheses of a Chinese or Japanese keyboard."""


class CallersReader:
    """Reads both settings into keys and scopes."""

    def __init__(self, form: Form, apps: tuple[App, ...], exposure: Exposure) -> None:
        self._form = form
        self._apps = apps
        self._exposure = exposure
        self._keys: dict[bytes, AccessKey] = {}
        self._scopes: dict[str, Scope] = {}
        self._scoped_at: dict[str, int] = {}

    def read(self) -> tuple[tuple[AccessKey, ...], Mapping[str, Scope]]:
        for place, item in self._form.items("access_keys"):
            self._read_key(place, item)
        # Spaces around the signs are no separators here, for no key of Dify's form stands in this setting.
        text = re.sub(r"\s*([=(])\s*", r"\1", self._form.text("callers").translate(_FULL_WIDTH))
        for place, item in enumerate(split(text), 1):
            self._read_caller(place, item)
        callers = {ANONYMOUS, *(key.caller for key in self._keys.values())}
        for name, place in self._scoped_at.items():
            if self._keys and name not in callers:
                self._form.fault("callers", "holds a caller to some apps, but no key has this name", place)
        return tuple(self._keys.values()), MappingProxyType(self._scopes)

    def _read_key(self, place: int, item: str) -> None:
        name, separator, key = item.partition("=")
        if not separator or not key.strip("=") or not _CALLER_NAME.fullmatch(name):
            name, key = DEFAULT_CALLER, item
        self._add_key("access_keys", place, name, key)

    def _add_key(self, setting: str, place: int, name: str, key: str) -> None:
        problem = _key_problem(key) or _name_problem(name)
        digest = _digest_of(key)
        if not problem and digest in self._keys and self._keys[digest].caller != name:
            problem = "the same key stands under two names"
        if problem:
            self._form.fault(setting, problem, place)
        else:
            self._keys[digest] = AccessKey(name, digest)

    def _read_caller(self, place: int, item: str) -> None:
        entry = _ENTRY.fullmatch(item)
        if not entry or not _CALLER_NAME.fullmatch(entry[1]):
            self._unreadable(place, item)
            return
        name, apps, key = entry.groups()
        if apps is not None:
            self._add_scope(place, name, apps[1:-1])
        elif key is None:
            self._form.fault("callers", "expected name=sha256:<hex>, or name(app1,app2)", place)
        if key is not None:
            if key.lower().startswith("sha256:"):
                self._add_key("callers", place, name, key)
            else:
                problem = "a key does not belong here, for this setting is not encrypted; write sha256:<hex> of it"
                self._form.fault("callers", problem, place)

    def _unreadable(self, place: int, item: str) -> None:
        """An entry of no known form. One that may have held a caller to some apps must set nobody free."""
        begun = _BEGUN.fullmatch(item)
        if _BRACKETS.isdisjoint(item):
            self._form.fault("callers", "expected name=sha256:<hex>, or name(app1,app2)", place)
        elif begun:
            fault = self._form.fault("callers", "the apps in parentheses can't be read", place)
            self._scopes[begun[1]] = Scope(frozenset(), fault)
        else:
            self._form.fail("callers", "it can't be told which caller is held to which apps", place)

    def _add_scope(self, place: int, name: str, text: str) -> None:
        self._scoped_at[name] = place
        known = self._scopes.get(name, Scope(frozenset()))
        app_ids = {self._app_id(app) for app in split(text)}
        if "" in app_ids:
            self._form.fault("callers", "names an app that is not listed", place)
        if not app_ids:
            fault = self._form.fault("callers", "names no app in its parentheses", place)
            self._scopes[name] = Scope(frozenset(), fault)
            return
        self._scopes[name] = Scope(known.app_ids | (app_ids - {""}), known.fault)

    def _app_id(self, name: str) -> str:
        """The id of a listed app, or of any where the whole workspace is exposed; `""` for neither."""
        wanted = canonical_id(name)
        listed = (app.app_id for app in self._apps if app.alias == name or (wanted and app.app_id == wanted))
        return next(listed, wanted if self._exposure is Exposure.WORKSPACE else "")


def _name_problem(name: str) -> str:
    return f"{ANONYMOUS} is whoever has no key" if name == ANONYMOUS else ""


def _key_problem(key: str) -> str:
    if MASK in key:
        return MASK_PROBLEM
    if key.endswith("(stdin)="):
        return "is what openssl prints before a hash; write sha256: and the hash, without a space"
    if key.lower().startswith("sha256:"):
        return "" if _DIGEST.fullmatch(key) else "sha256: is followed by 64 hexadecimal digits"
    return f"under {MIN_KEY_LENGTH} characters" if len(key) < MIN_KEY_LENGTH else ""


def _digest_of(key: str) -> bytes:
    given = _DIGEST.fullmatch(key)
    return bytes.fromhex(given[1]) if given else hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()

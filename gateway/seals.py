"""Ids as callers see them: sealed, so that only whom Duck gave one can give it back.

Dify takes all callers of an app for one end user, or for those that callers name themselves, and opens most of its ids
to whoever knows them (wire section 5). A sealed id is signed, not secret: the id, and a signature over it, its kind and
its holder. It has no clock of its own, and is the same for the same id on every replica.

Which ids of a run's events, and of a request's files, are sealed is here too. A link to a file holds the file's id as
Dify has it; a link is signed by Dify itself, and no bare id opens anything here.
"""

import base64
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

from itsdangerous import Signer

from gateway.errors import DuckError
from gateway.events import TEXT_EVENTS, Raw
from gateway.secret import secrets_to_try, workspace_secret
from gateway.settings import canonical_id
from gateway.transports.interface import Storage
from gateway.wire import json_bytes, with_texts

type SealKind = Literal["task", "message", "file", "run", "file in a value"]

_NAMES: Final[Mapping[SealKind, str]] = {
    "task": "task",
    "message": "message",
    "file": "uploaded file",
    "run": "workflow run",
    "file in a value": "file",
}

_OF_A_USER: Final = frozenset({"task", "message", "file"})

_UUID_LENGTH: Final = 22
"""Characters of a UUID's 16 bytes in base64 without its padding (RFC 4648, 5)."""

_TEXT: Final = "~"
"""How an id begins that is no UUID; no base64 does, and a URL holds it as it is (RFC 3986, 2.3)."""

_OWN_IDS: Final[Mapping[str, SealKind]] = {"task_id": "task", "message_id": "message", "workflow_run_id": "run"}
"""Members that an event has at its top. The last outranks the others where two hold the same id, as a workflow's do."""

_ID_NAMES: Final = (*_OWN_IDS, "id")
"""All that an event's own ids depend on."""

FILE_IDS: Final = ("upload_file_id", "tool_file_id", "datasource_file_id", "related_id", "reference")
"""Members by which Dify finds a file that a request names (Dify: factories/file_factory/builders.py)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who may use a sealed id, and for which app. user: of a caller with a token, else `""`."""

    endpoint_id: str
    caller: str
    user: str
    app_id: str


def sealed_id(kind: str, id_: str, holder: Holder, storage: Storage) -> str:
    """The id as its holder sees it. Raises `storage_unavailable`."""
    return _sealed(kind, id_, holder, workspace_secret(holder.endpoint_id, storage))


def opened_id(kind: str, given: str, holder: Holder, storage: Storage) -> str:
    """The id in a sealed one; `""` for what is none of this kind for this holder. Raises `storage_unavailable`."""
    id_ = _id_in(given)
    if not id_:
        return ""
    for secret in secrets_to_try(holder.endpoint_id, storage):
        if hmac.compare_digest(_sealed(kind, id_, holder, secret).encode(), given.encode()):
            return id_
    return ""


def _sealed(kind: str, id_: str, holder: Holder, secret: bytes) -> str:
    salt = json_bytes([kind, holder.endpoint_id, holder.caller, holder.user, holder.app_id])
    signer = Signer(secret, salt=salt, key_derivation="hmac", digest_method=sha256)
    if canonical_id(id_) == id_:
        return signer.sign(_base64(UUID(id_).bytes)).decode()
    return signer.sign(_TEXT + _base64(id_.encode(errors="replace"))).decode()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _id_in(sealed: str) -> str:
    """The id that a sealed one speaks of, whether it is signed well or not; `""` for what is none."""
    text = sealed.partition(".")[0]
    if not sealed.isascii():
        return ""
    try:
        if text.startswith(_TEXT):
            text = text.removeprefix(_TEXT)
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        return str(UUID(bytes=base64.urlsafe_b64decode(text + "=="))) if len(text) == _UUID_LENGTH else ""
    except ValueError:
        return ""


class Seals:
    """The sealed ids of one holder. user: the end user that it names, whose tasks, messages and files are that user's
    only in Dify too; a run's detail is asked for without one.
    """

    def __init__(self, holder: Holder, storage: Storage, user: str) -> None:
        self._holder = holder
        self._storage = storage
        self._user = user
        self._known: dict[tuple[SealKind, str], str] = {}

    def prepare(self) -> None:
        """Sees to it that ids can be sealed. Raises `DuckError` `storage_unavailable`."""
        workspace_secret(self._holder.endpoint_id, self._storage)

    def sealed(self, kind: SealKind, id_: str) -> str:
        """The id as its holder sees it; `""` for none. Raises `storage_unavailable` where not prepared."""
        if not id_:
            return ""
        known = self._known.get((kind, id_))
        if known is None:
            known = self._known[kind, id_] = sealed_id(self._salt(kind), id_, self._holder, self._storage)
        return known

    def opened(self, kind: SealKind, given: str) -> str:
        """Dify's id. Raises `not_found` for what is none of this kind for this holder, Dify's bare id included, and
        `storage_unavailable`.
        """
        found = opened_id(self._salt(kind), given, self._holder, self._storage)
        if not found:
            raise DuckError(
                "not_found",
                f"There is no {_NAMES[kind]} with this id for this caller, user and app.",
                "Send an id as Duck gave it to the same caller, and the same 'user' as in the call that gave it.",
            )
        return found

    def _salt(self, kind: SealKind) -> str:
        return f"{kind} of {self._user}" if self._user and kind in _OF_A_USER else kind


def shown_ids(dicts: Iterable[Raw], seals: Seals) -> Iterator[Raw]:
    """A run's dicts with sealed ids wherever those of the run, its message and its files stand, and in what a refusal
    says. Raises `storage_unavailable` where the seals are not prepared.
    """
    run = _RunIds(seals)
    try:
        for raw in dicts:
            yield run.shown(raw)
    except DuckError as error:
        for id_, sealed in run.known.items():
            error.replace_text(id_, sealed)
        raise


class _RunIds:
    """known: the ids that the run has named so far, and as what they leave."""

    def __init__(self, seals: Seals) -> None:
        self._seals = seals
        self.known: dict[str, str] = {}
        self._last: tuple[list[object], dict[str, str]] = ([], {})

    def shown(self, raw: Raw) -> Raw:
        own = self._own(raw)
        if str(raw.get("event")) in TEXT_EVENTS:  # the ids stand in their own places only
            return {**raw, **own}
        replaced: Raw = with_sealed_files(with_texts(raw, self._replaced), self._seals)
        return {**replaced, **own, **self._files(raw)}

    def _own(self, raw: Raw) -> dict[str, str]:
        """Its own ids, sealed. They are those of the event before, nearly always."""
        named = [raw.get(name) for name in _ID_NAMES]
        if named != self._last[0]:
            self._last = named, self._own_of_another(raw)
        return self._last[1]

    def _own_of_another(self, raw: Raw) -> dict[str, str]:
        own: dict[str, str] = {}
        for name, kind in _OWN_IDS.items():
            id_ = raw.get(name)
            if isinstance(id_, str) and id_:
                own[name] = self._seals.sealed(kind, id_)
                is_news = id_ not in self.known or (kind == "run" and self.known[id_] != own[name])
                if is_news and canonical_id(id_):  # what is no UUID stands anywhere
                    self.known[id_] = own[name]
        if "message_id" in own and raw.get("id") == raw["message_id"]:
            own["id"] = own["message_id"]
        return own

    def _replaced(self, text: str) -> str:
        for id_, sealed in self.known.items():
            text = text.replace(id_, sealed)
        return text

    def _files(self, raw: Raw) -> dict[str, Any]:
        """Where an event names a file by nothing but its id."""
        id_, listed = raw.get("id"), raw.get("message_files")
        if raw.get("event") == "message_file" and isinstance(id_, str) and id_ != raw.get("message_id"):
            return {"id": self._seals.sealed("file", id_)}
        if raw.get("event") == "agent_thought" and isinstance(listed, list):
            return {"message_files": [self._seals.sealed("file", item) for item in listed if isinstance(item, str)]}
        return {}


def with_sealed_files(value: Any, seals: Seals) -> Any:
    """A JSON value with sealed ids in whatever has the form of one of Dify's files.

    No request can use these ids: an app may have taken them from what a caller made up, and a seal would vouch for it.
    """
    match value:
        case dict():
            inner = {name: with_sealed_files(item, seals) for name, item in value.items()}
            return {**inner, **_sealed_file_ids(value, seals)} if "transfer_method" in value else inner
        case list():
            return [with_sealed_files(item, seals) for item in value]
        case _:
            return value


def _sealed_file_ids(file: Mapping[str, Any], seals: Seals) -> dict[str, str]:
    ids = {name: file.get(name) for name in ("id", *FILE_IDS)}
    return {name: seals.sealed("file in a value", id_) for name, id_ in ids.items() if isinstance(id_, str)}


def opened_files(files: Iterable[Mapping[str, Any]], seals: Seals) -> tuple[dict[str, Any], ...]:
    """A request's `files` with Dify's own ids. Raises `not_found` for a file that is not its holder's."""
    return tuple(_opened_file(file, seals) for file in files)


def opened_inputs(inputs: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """The same of the files among a request's inputs, however deep they stand."""
    return {name: _opened_input(value, seals) for name, value in inputs.items()}


def _opened_input(value: Any, seals: Seals) -> Any:
    match value:
        case dict():
            inner = {name: _opened_input(item, seals) for name, item in value.items()}
            return _opened_file(inner, seals) if "transfer_method" in value else inner
        case list():
            return [_opened_input(item, seals) for item in value]
        case _:
            return value


def _opened_file(file: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    given = {name: file[name] for name in FILE_IDS if file.get(name)}
    return {**file, **{name: seals.opened("file", str(id_)) for name, id_ in given.items()}}

"""What kind of app an app is, and where a workflow takes its query.

Dify tells a plugin neither (wire section 7). So: the settings, else what an earlier run or probe taught, else the input
form and a probe: a call that Dify refuses before anything runs, whose refusal gives the kind away. What was learnt is
kept for 10 minutes, per endpoint.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.call import AppCall
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.settings import App
from gateway.transports.interface import AppTransport

LEARNT_FOR: Final = 600.0
"""Seconds (DESIGN section 2)."""

MOST_LEARNT: Final = 2_000
"""Apps remembered in one process; beyond it all is forgotten and learnt again (own choice, about 1 MB)."""

_QUERY_NAMES: Final = ("query", "question", "input", "text", "prompt", "message")
"""Names of a variable that takes the caller's text, in order (DESIGN section 3)."""

_TEXT_TYPES: Final = frozenset({"text-input", "paragraph"})
_WORKFLOW_TYPES: Final = frozenset({"file", "file-list", "json_object"})
"""Variable types that only a workflow or a chatflow has (wire section 7)."""

_ILL_TYPED: Final[Mapping[str, Any]] = {
    "text-input": 0,
    "paragraph": 0,
    "select": 0,
    "number": "x",
    "file": 0,
    "file-list": 0,
    "json_object": "x",
}
"""For each type a value that Dify refuses; a checkbox takes everything (wire section 7)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One field of an app's input form. is_typed: its entry names its type again, which only workflows' do.

    file_types: the types of files that it takes (`image`, `document`, `audio`, `video`, `custom`), where it takes any.
    is_hidden: whether the app's own form leaves it out. label, description: for people; `""` for none. options: of a
    select. default: as Dify has it, None for none. max_length: characters of a text, files of a list; 0 for no limit.
    json_schema: what an object must be.
    """

    name: str
    type: str
    is_typed: bool
    file_types: tuple[str, ...] = ()
    is_required: bool = False
    is_hidden: bool = False
    label: str = ""
    description: str = ""
    options: tuple[str, ...] = ()
    default: Any = None
    max_length: int = 0
    json_schema: Raw = field(default_factory=dict)

    @property
    def takes_files(self) -> bool:
        return self.type in ("file", "file-list")

    @property
    def breadth(self) -> float:
        """How many types of files it takes."""
        return len(self.file_types) or float("inf")

    def takes(self, file_type: str) -> bool:
        """Whether a file of this type can go here; one that takes custom extensions may take any."""
        return not self.file_types or file_type in self.file_types or "custom" in self.file_types

    def dify_type(self, file_type: str) -> str:
        """The type that Dify is told."""
        return file_type if not self.file_types or file_type in self.file_types else "custom"


class Kinds:
    """What is known of the apps of one process, by endpoint and app id; a cache and nothing more (law 17)."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], tuple[float, Kind]] = {}
        self._forms: dict[tuple[str, str], tuple[float, tuple[Variable, ...]]] = {}
        self._uploads: dict[tuple[str, str], tuple[float, bool]] = {}

    def known(self, endpoint_id: str, app: App) -> Kind | None:
        """The kind by the settings, else as learnt."""
        return app.kind or _fresh(self._kinds, (endpoint_id, app.app_id))

    def learn(self, endpoint_id: str, app: App, kind: Kind) -> None:
        _remember(self._kinds, (endpoint_id, app.app_id), kind)

    def find(self, endpoint_id: str, app: App, transport: AppTransport) -> Kind | None:
        """The kind, asking Dify if need be; None when there is nothing to ask by, or Dify does not answer."""
        kind = self.known(endpoint_id, app)
        if kind is None:
            kind = transport.kind() or self._probe(endpoint_id, app, transport)
            if kind is not None:
                self.learn(endpoint_id, app, kind)
        return kind

    def query_variable(self, endpoint_id: str, app: App, transport: AppTransport) -> str:
        """The input that takes the query of this workflow: as configured, else the only text variable, else by name.

        `""` for a workflow without inputs. Raises a 400 that lists the variables.
        """
        if app.query:
            return app.query
        form = self.form(endpoint_id, app, transport)
        if not form:
            return ""
        texts = [variable.name for variable in form if variable.type in _TEXT_TYPES]
        if len(texts) == 1:
            return texts[0]
        named = next((name for name in _QUERY_NAMES if name in texts), None)
        if named:
            return named
        listed = ", ".join(variable.name for variable in form)
        raise DuckError(
            "wrong_app_kind",
            f"This is a workflow, and it is not known which input takes the query; its inputs are: {listed}.",
            "Send inputs instead of a query, or set 'query' for this app in the setting apps.",
        )

    def is_completion(self, endpoint_id: str, app: App, transport: AppTransport) -> bool:
        """Whether an app whose call ended in Dify's own 500 is a completion app, which always does (wire section 3).

        Asked again without a query, a chat app says that it misses one; a completion app says 500 again. An app whose
        form is a workflow's, or which has none, is not asked, for it could run.
        """
        try:
            form = self.form(endpoint_id, app, transport)
        except DuckError:
            return False
        if not form or _is_of_workflow_family(form):
            return False
        try:
            next(_probe_run(transport, app, {}), None)
        except DuckError as refusal:
            return refusal.code == "dify_error"
        return False

    def form(self, endpoint_id: str, app: App, transport: AppTransport) -> tuple[Variable, ...]:
        """The app's input form. Raises `DuckError` where Dify does not tell it."""
        key = (endpoint_id, app.app_id)
        form = _fresh(self._forms, key)
        if form is None:
            parameters = transport.parameters(app.app_id)
            form = variables(parameters)
            _remember(self._forms, key, form)
            _remember(self._uploads, key, takes_files(parameters))
        return form

    def takes_files(self, endpoint_id: str, app: App, transport: AppTransport) -> bool:
        """Whether files may go with the query. Raises `DuckError` where Dify does not tell it."""
        self.form(endpoint_id, app, transport)
        return _fresh(self._uploads, (endpoint_id, app.app_id)) is not False

    def _probe(self, endpoint_id: str, app: App, transport: AppTransport) -> Kind | None:
        if transport.has_app_key:  # a probe would run there what the reverse way refuses
            return None
        try:
            form = self.form(endpoint_id, app, transport)
        except DuckError:
            return None
        if not _is_of_workflow_family(form):
            return None
        ill_typed = next((variable for variable in form if variable.type in _ILL_TYPED), None)
        if ill_typed is None:
            return None
        return _kind_by_refusal(transport, app, {ill_typed.name: _ILL_TYPED[ill_typed.type]})


def _is_of_workflow_family(form: tuple[Variable, ...]) -> bool:
    return any(variable.is_typed or variable.type in _WORKFLOW_TYPES for variable in form)


def _kind_by_refusal(transport: AppTransport, app: App, inputs: Mapping[str, Any]) -> Kind | None:
    """Dify looks for a chatflow's query first, for a workflow's inputs first (wire section 7)."""
    try:
        next(_probe_run(transport, app, inputs), None)
    except DuckError as refusal:
        if refusal.code == "wrong_app_kind":
            return Kind.CHATFLOW
        return Kind.WORKFLOW if refusal.code == "invalid_input" else None
    return None


def _probe_run(transport: AppTransport, app: App, inputs: Mapping[str, Any]) -> Iterator[Raw]:
    return transport.start(AppCall(app, "", inputs, ""), Kind.CHAT)


def takes_files(parameters: Raw) -> bool:
    """Whether files may go with the query, by the app's features; older apps have a switch for pictures only."""
    features = parameters.get("file_upload")
    if not isinstance(features, dict):
        return True
    pictures = features.get("image")
    switches = (features.get("enabled"), pictures.get("enabled") if isinstance(pictures, dict) else None)
    return any(switches) or switches == (None, None)


def variables(parameters: Raw) -> tuple[Variable, ...]:
    """The input form in an app's parameters; items are `{type: {"variable": …}}`. What is malformed is left out."""
    items = parameters.get("user_input_form")
    pairs = [
        (str(type_), entry)
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
        for type_, entry in item.items()
        if isinstance(entry, dict) and isinstance(entry.get("variable"), str)
    ]
    return tuple(_variable(type_, entry) for type_, entry in pairs)


def _variable(type_: str, entry: Raw) -> Variable:
    length, schema = entry.get("max_length"), entry.get("json_schema")
    return Variable(
        entry["variable"],
        type_,
        entry.get("type") == type_,
        _texts(entry, "allowed_file_types"),
        is_required=entry.get("required") is True,
        is_hidden=entry.get("hide") is True,
        label=_text(entry, "label"),
        description=_text(entry, "description"),
        options=_texts(entry, "options"),
        default=entry.get("default"),
        max_length=length if isinstance(length, int) and length > 0 else 0,
        json_schema=schema if isinstance(schema, dict) else {},
    )


def _text(entry: Raw, name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _texts(entry: Raw, name: str) -> tuple[str, ...]:
    listed = entry.get(name)
    return tuple(item for item in listed if isinstance(item, str)) if isinstance(listed, list) else ()


def _fresh[V](cache: Mapping[tuple[str, str], tuple[float, V]], key: tuple[str, str]) -> V | None:
    since, value = cache.get(key, (float("-inf"), None))
    return value if time.monotonic() - since < LEARNT_FOR else None


def _remember[V](cache: dict[tuple[str, str], tuple[float, V]], key: tuple[str, str], value: V) -> None:
    if len(cache) >= MOST_LEARNT:
        cache.clear()
    cache[key] = (time.monotonic(), value)

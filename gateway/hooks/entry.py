"""What an operator says of an app's webhooks, as frozen values; how it is read is `gateway.settings.hook_entry`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.hooks.paths import Path
from gateway.hooks.schemes import Scheme


class Form(StrEnum):
    """What a reply's body is."""

    JSON = "json"
    TEXT = "text"


class Outcome(StrEnum):
    """How a run has ended, as a reply tells it."""

    SUCCEEDED = "succeeded"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered to one outcome. body: instead of what the app has said; None for that."""

    status: int
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a delivery. output: the only output that is told, `""` for the whole answer. said: by outcome,
    where it is not as usual.
    """

    form: Form = Form.JSON
    output: str = ""
    said: Mapping[Outcome, Said] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Hook:
    """An app's webhooks. What a delivery brings goes to the app so:

    query: to what the app is asked. body: the input that takes the whole body as text, `""` for none. takes_fields:
    whether the members of a JSON object, or the fields of a form, go to the inputs of the same names. inputs, headers:
    the inputs that a path, or a header, fills. signature: the sender's scheme where it is none of the table's.
    """

    query: Path | None = None
    body: str = ""
    takes_fields: bool = False
    inputs: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    signature: Scheme | None = None
    reply: Reply = field(default_factory=Reply)

    @property
    def is_mapped(self) -> bool:
        """Whether the operator has said where a delivery goes."""
        return bool(self.query or self.body or self.takes_fields or self.inputs or self.headers)

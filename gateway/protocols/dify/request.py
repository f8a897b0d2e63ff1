"""The bodies of `POST /chat-messages`, `/completion-messages` and `/workflows/run`.

What Dify's Service API takes is taken, and what it does not know is ignored as it does. Deliberate departures:

1. `user` and `inputs` may be missing: Duck knows its caller, and an app without a form needs no inputs.
2. `conversation_id` is whatever Duck gave, a UUID or not; whether it is known is found out when the run starts.
3. `workflow_id`, which picks another version than the published one, is refused, for no way to Dify carries it.
4. `auto_generate_name` and `retriever_from` are ignored, for no way to Dify carries them and no reply depends on them.
5. A refusal is worded as Dify's, but never holds what was sent.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from werkzeug import Request

from gateway.body import read_json_object
from gateway.call import Asked
from gateway.errors import DuckError
from gateway.protocols.dify.files import linked_files

MOST_FAULTS: Final = 5
"""Faults that a refusal lists (own choice); it says how many there are."""


def _as_name(value: object) -> object:
    """A number as a text, for clients send their database's ids."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Payload(BaseModel):
    """What the three have in common. A missing member and null mean the same."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    inputs: dict[str, Any] | None = None
    files: list[dict[str, Any]] | None = None
    response_mode: Literal["blocking", "streaming"] | None = None
    user: Annotated[str | None, BeforeValidator(_as_name)] = None

    @property
    def is_streamed(self) -> bool:
        """Blocking is Dify's own default."""
        return self.response_mode == "streaming"

    def asked(self) -> Asked:
        """What concerns the app. Raises a 400 for a link to a file that is none."""
        return self._asked("", "")

    def _asked(self, query: str, conversation_id: str) -> Asked:
        files = self.files or []
        return Asked(
            query,
            self.inputs or {},
            conversation_id,
            self.user or "",
            files=tuple(linked_files(files)),
            dify_files=tuple(files),
        )


# Named as Dify's own models (Dify: controllers/service_api/app), for a refusal says the name.


class ChatRequestPayload(Payload):
    """To a chat, an agent or a chatflow."""

    query: str
    conversation_id: str | None = None
    workflow_id: str | None = None

    def asked(self) -> Asked:
        if self.workflow_id:
            raise DuckError(
                "invalid_request",
                "'workflow_id' names a version, and Duck runs an app as it is published.",
                "Leave workflow_id out.",
            )
        return self._asked(self.query, (self.conversation_id or "").strip())


class CompletionRequestPayload(Payload):
    """To a text generator, whose text is most often one of its inputs."""

    query: str | None = None

    def asked(self) -> Asked:
        return self._asked(self.query or "", "")


class WorkflowRunPayload(Payload):
    """To a workflow."""


def read_payload[P: Payload](request: Request, model: type[P]) -> P:
    """The request's content. Raises `DuckError`: 400, 413, 415."""
    try:
        return model.model_validate(read_json_object(request))
    except ValidationError as error:
        raise DuckError("invalid_request", _worded(error)) from error


def _worded(error: ValidationError) -> str:
    """The faults as pydantic words them, which is what Dify answers with, without what was sent."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    lines = (
        f"{'.'.join(str(part) for part in fault['loc'])}\n  {fault['msg']} [type={fault['type']}]"
        for fault in faults[:MOST_FAULTS]
    )
    plural = "" if len(faults) == 1 else "s"
    return "\n".join([f"{len(faults)} validation error{plural} for {error.title}", *lines])

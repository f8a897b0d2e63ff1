"""A call, fitted to its app: what was asked in any protocol's words goes to the inputs that the app has for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from gateway.call import AppCall, Attachment, Message
from gateway.errors import DuckError
from gateway.kinds import Variable
from gateway.settings import MemoryMode

_SPEAKERS: Final[Mapping[str, str]] = {"user": "User", "assistant": "Assistant"}


def with_history(call: AppCall, mode: MemoryMode) -> AppCall:
    """The call with the earlier messages that its conversation does not hold.

    They go to the app's `transcript` input when it has one, else before the query. A call that goes on with a
    conversation needs none.
    """
    if call.conversation_id or not call.history or mode is MemoryMode.LAST_USER_MESSAGE:
        return call
    transcript = _transcript(call.history)
    if call.app.transcript:
        return _with_input(call, call.app.transcript, transcript)
    return replace(call, query=f"{transcript}\n\n{_SPEAKERS['user']}: {call.query}")


def _transcript(history: Iterable[Message]) -> str:
    return "\n\n".join(f"{_SPEAKERS[message.role]}: {message.text}" for message in history)


def with_instructions(call: AppCall) -> AppCall:
    """The call with what the caller tells the app to be, in the input for it; without, where the app has none."""
    if not call.instructions or not call.app.instructions:
        return call
    return _with_input(call, call.app.instructions, call.instructions)


def with_declared(
    call: AppCall, form: tuple[Variable, ...], *, takes_files: bool, has_app_key: bool = False
) -> AppCall:
    """The call with its metadata and its files in the inputs that the app's form declares for them.

    takes_files: whether a file that no input takes can go with the query; else it is a 400. has_app_key: whether the
    app is reached by its own key, for the remedy. Metadata that no input is
    named after is none of the app's.
    """
    names = {variable.name for variable in form}
    metadata = {name: value for name, value in call.metadata.items() if name in names and name not in call.inputs}
    inputs, rest = _file_inputs(call, form)
    if rest and not takes_files:
        raise _no_place(rest[0], call, has_app_key=has_app_key)
    beside = tuple(_item(file, file.type) for file in rest)
    return replace(call, inputs={**call.inputs, **metadata, **inputs}, dify_files=(*call.dify_files, *beside))


def with_defaults(call: AppCall) -> AppCall:
    """The call with the inputs that the operator filled in (the picker's), where nothing else has filled them."""
    return replace(call, inputs={**call.app.inputs, **call.inputs})


def _with_input(call: AppCall, name: str, value: str) -> AppCall:
    """What the caller gave for this input by name wins."""
    return call if call.inputs.get(name) else replace(call, inputs={**call.inputs, name: value})


def _file_inputs(call: AppCall, form: Iterable[Variable]) -> tuple[dict[str, Any], list[Attachment]]:
    """Each file in an input that takes its type and has room: an empty one first, a required one, a particular one.
    And those that found none.
    """
    free = [variable for variable in form if variable.takes_files and not call.inputs.get(variable.name)]
    inputs: dict[str, Any] = {}
    rest: list[Attachment] = []
    # A file that few inputs take goes first, or one that had a choice would have its only place.
    for file in sorted(call.files, key=lambda file: sum(variable.takes(file.type) for variable in free)):
        takers = [variable for variable in free if variable.takes(file.type)]
        if not takers:
            rest.append(file)
            continue
        place = min(takers, key=lambda taker: (taker.name in inputs, not taker.is_required, taker.breadth))
        value = _item(file, place.dify_type(file.type))
        if place.type == "file":
            free.remove(place)
            inputs[place.name] = value
        else:
            inputs.setdefault(place.name, []).append(value)
    return inputs, rest


def _item(file: Attachment, type_: str) -> dict[str, Any]:
    """A file as Dify takes it (wire section 6)."""
    if file.upload_id:
        return {"type": type_, "transfer_method": "local_file", "upload_file_id": file.upload_id}
    return {"type": type_, "transfer_method": "remote_url", "url": file.url}


def _no_place(file: Attachment, call: AppCall, *, has_app_key: bool) -> DuckError:
    with_query = "turns on file upload in a chat app's features"
    if not has_app_key:
        with_query = "the endpoint's operator puts the app's own key into dify_api_keys, and files go with the query"
    article = "an" if file.type[0] in "aeiou" else "a"
    return DuckError(
        "files_not_supported",
        f"'{file.part}' is {article} {file.type}, and the app {call.app.alias} has no free file input that takes one.",
        f"Its author adds a file input (a workflow's or a chatflow's) that takes this type; or {with_query}.",
    )

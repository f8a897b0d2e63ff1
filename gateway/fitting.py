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


def with_declared(call: AppCall, form: tuple[Variable, ...]) -> AppCall:
    """The call with its metadata and its files in the inputs that the app's form declares for them.

    Raises a 400 for a file that no input takes. Metadata that no input is named after is none of the app's.
    """
    names = {variable.name for variable in form}
    metadata = {name: value for name, value in call.metadata.items() if name in names and name not in call.inputs}
    return replace(call, inputs={**call.inputs, **metadata, **_file_inputs(call, form)})


def with_defaults(call: AppCall) -> AppCall:
    """The call with the inputs that the operator filled in (the picker's), where nothing else has filled them."""
    return replace(call, inputs={**call.app.inputs, **call.inputs})


def _with_input(call: AppCall, name: str, value: str) -> AppCall:
    """What the caller gave for this input by name wins."""
    return call if call.inputs.get(name) else replace(call, inputs={**call.inputs, name: value})


def _file_inputs(call: AppCall, form: Iterable[Variable]) -> dict[str, Any]:
    """Each file in an input that takes its type and has room: an empty one first, a required one, a particular one."""
    free = [variable for variable in form if variable.takes_files and not call.inputs.get(variable.name)]
    inputs: dict[str, Any] = {}
    # A file that few inputs take goes first, or one that had a choice would have its only place.
    for file in sorted(call.files, key=lambda file: sum(variable.takes(file.type) for variable in free)):
        takers = [variable for variable in free if variable.takes(file.type)]
        if not takers:
            raise _no_place(file, call)
        place = min(takers, key=lambda taker: (taker.name in inputs, not taker.is_required, taker.breadth))
        value = {"type": place.dify_type(file.type), "transfer_method": "remote_url", "url": file.url}
        if place.type == "file":
            free.remove(place)
            inputs[place.name] = value
        else:
            inputs.setdefault(place.name, []).append(value)
    return inputs


def _no_place(file: Attachment, call: AppCall) -> DuckError:
    article = "an" if file.type[0] in "aeiou" else "a"
    return DuckError(
        "files_not_supported",
        f"'{file.part}' is {article} {file.type}, and the app {call.app.alias} has no free file input that takes one.",
        "Its author can add a file input (a workflow's or a chatflow's) that takes this type by URL.",
    )

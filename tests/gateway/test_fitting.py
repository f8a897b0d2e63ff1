from dataclasses import replace
from itertools import count
from typing import Any, Final

import pytest

from gateway.call import AppCall, Attachment, Message
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.fitting import with_declared, with_defaults, with_history, with_instructions
from gateway.kinds import Kinds, variables
from gateway.settings import App, MemoryMode
from gateway.transports.reverse import ReverseTransport
from tests.gateway.fake_dify import FakeApp, FakeDify, variable

ID: Final = "11111111-1111-4111-8111-111111111111"
APP: Final = App("support", ID)
HISTORY: Final = (Message("user", "one"), Message("assistant", "two"))
TRANSCRIPT: Final = "User: one\n\nAssistant: two"
ALL: Final = MemoryMode.ALL_MESSAGES
LAST: Final = MemoryMode.LAST_USER_MESSAGE


def call(app: App = APP, **members: Any) -> AppCall:
    """A call as `running` makes it."""
    return replace(AppCall(app, "three", {}, ""), **members)


# -- Earlier messages ----------------------------------------------------------------------------------------------


def test_without_a_transcript_input_earlier_messages_precede_the_query() -> None:
    assert with_history(call(history=HISTORY), ALL) == call(history=HISTORY, query=f"{TRANSCRIPT}\n\nUser: three")


def test_a_transcript_input_takes_earlier_messages_and_leaves_the_query_alone() -> None:
    app = App("support", ID, transcript="log")
    assert with_history(call(app, history=HISTORY), ALL) == call(app, history=HISTORY, inputs={"log": TRANSCRIPT})


@pytest.mark.parametrize("app", [APP, App("support", ID, transcript="log")], ids=["query", "transcript"])
@pytest.mark.parametrize(
    ("members", "mode"),
    [
        pytest.param({"history": HISTORY}, LAST, id="last_user_message"),
        pytest.param({"history": HISTORY, "conversation_id": "c"}, ALL, id="a conversation holds them"),
        pytest.param({}, ALL, id="none"),
    ],
)
def test_earlier_messages_are_left_out(app: App, members: dict[str, Any], mode: MemoryMode) -> None:
    assert with_history(call(app, **members), mode) == call(app, **members)


def test_a_transcript_that_the_caller_gives_as_an_input_wins() -> None:
    app = App("support", ID, transcript="log")
    given = call(app, history=HISTORY, inputs={"log": "mine"})
    assert with_history(given, ALL) == given


# -- Instructions --------------------------------------------------------------------------------------------------

INSTRUCTED: Final = App("support", ID, instructions="role")


def test_instructions_go_to_the_input_for_them() -> None:
    given = call(INSTRUCTED, instructions="be brief")
    assert with_instructions(given) == replace(given, inputs={"role": "be brief"})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(call(instructions="be brief"), id="an app without an input for them"),
        pytest.param(call(INSTRUCTED), id="no instructions"),
        pytest.param(call(INSTRUCTED, instructions="be brief", inputs={"role": "mine"}), id="given as an input"),
    ],
)
def test_instructions_are_left_out(given: AppCall) -> None:
    assert with_instructions(given) == given


# -- Defaults of the picker ----------------------------------------------------------------------------------------


def test_a_default_of_the_picker_does_not_outrank_what_the_caller_says() -> None:
    """DESIGN, section 4: inputs filled in the picker are defaults that a caller may override."""
    app = App("support", ID, transcript="log", instructions="role", inputs={"log": "none", "role": "nobody"})
    given = call(app, history=HISTORY, instructions="be brief")
    fitted = with_defaults(with_history(with_instructions(given), ALL))
    assert fitted.inputs == {"log": TRANSCRIPT, "role": "be brief"}


def test_a_default_of_the_picker_does_not_outrank_metadata_and_files() -> None:
    dify = FakeDify({ID: FakeApp(Kind.CHATFLOW, (variable("text-input", "city"), files("doc")))})
    default = {"type": "document", "transfer_method": "remote_url", "url": "https://x/default"}
    app = App("support", ID, inputs={"city": "Oslo", "doc": default})
    given = call(app, metadata={"city": "Rome"}, files=(DOCUMENT,))
    assert with_defaults(declared(given, dify)).inputs == {"city": "Rome", "doc": {**default, "url": DOCUMENT.url}}


def test_a_default_of_the_picker_fills_what_nobody_has_filled() -> None:
    app = App("support", ID, inputs={"city": "Oslo", "n": 1})
    assert with_defaults(call(app, inputs={"n": None, "x": "y"})).inputs == {"city": "Oslo", "n": None, "x": "y"}


# -- Metadata ------------------------------------------------------------------------------------------------------

IMAGE: Final = Attachment("image", "https://x/a.png", "messages[0].content[1]")
SOUND: Final = Attachment("audio", "https://x/a.mp3", "messages[0].content[2]")
DOCUMENT: Final = Attachment("document", "https://x/a.pdf", "messages[0].content[3]")

_endpoints: Final = count()


def files(name: str, *types: str, is_list: bool = False) -> dict[str, Any]:
    """A file input of the app's form, as Dify tells it."""
    kind = "file-list" if is_list else "file"
    entry = variable(kind, name)
    entry[kind]["allowed_file_types"] = list(types)
    return entry


def required(item: dict[str, Any]) -> dict[str, Any]:
    return {kind: {**entry, "required": True} for kind, entry in item.items()}


def declared(given: AppCall, dify: FakeDify) -> AppCall:
    form = Kinds().form(f"endpoint-{next(_endpoints)}", given.app, ReverseTransport(dify.session()))
    return with_declared(given, form, takes_files=False)


def form(*items: dict[str, Any]) -> FakeDify:
    return FakeDify({ID: FakeApp(Kind.CHATFLOW, items)})


def remote(file: Attachment, type_: str = "") -> dict[str, str]:
    return {"type": type_ or file.type, "transfer_method": "remote_url", "url": file.url}


@pytest.mark.parametrize(
    ("metadata", "inputs", "expected"),
    [
        pytest.param({"city": "Oslo"}, {}, {"city": "Oslo"}, id="named after an input"),
        pytest.param({"trace": "1"}, {}, {}, id="named after none"),
        pytest.param({"city": "Oslo", "trace": "1"}, {"n": 1}, {"city": "Oslo", "n": 1}, id="some"),
        pytest.param({"city": "Oslo"}, {"city": "Rome"}, {"city": "Rome"}, id="given as an input too"),
    ],
)
def test_metadata_is(metadata: dict[str, Any], inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    dify = form(variable("text-input", "city"), variable("number", "n"))
    assert declared(call(metadata=metadata, inputs=inputs), dify).inputs == expected


# -- Files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "given", "expected"),
    [
        pytest.param([files("pic", "image")], [IMAGE], {"pic": remote(IMAGE)}, id="the input that takes its type"),
        pytest.param(
            [files("doc", "document"), files("pic", "image")],
            [IMAGE],
            {"pic": remote(IMAGE)},
            id="not the first, of another",
        ),
        pytest.param(
            [files("doc", "document"), files("pic", "image")],
            [IMAGE, DOCUMENT],
            {"pic": remote(IMAGE), "doc": remote(DOCUMENT)},
            id="each its own",
        ),
        pytest.param(
            [files("a", "image"), files("b", "image")],
            [IMAGE, replace(IMAGE, url="https://x/b")],
            {"a": remote(IMAGE), "b": remote(replace(IMAGE, url="https://x/b"))},
            id="two of a type, one after the other",
        ),
        pytest.param(
            [files("all", "image", "audio", is_list=True)],
            [IMAGE, SOUND],
            {"all": [remote(IMAGE), remote(SOUND)]},
            id="a list takes many",
        ),
        pytest.param(
            [files("any"), files("media", "image", "audio"), files("pic", "image")],
            [IMAGE],
            {"pic": remote(IMAGE)},
            id="the most particular one",
        ),
        pytest.param(
            [files("pic", "image"), required(files("any"))], [IMAGE], {"any": remote(IMAGE)}, id="a required one first"
        ),
        pytest.param(
            [files("all", is_list=True), files("any")],
            [IMAGE, SOUND, DOCUMENT],
            {"all": [remote(IMAGE), remote(DOCUMENT)], "any": remote(SOUND)},
            id="an empty one before a list that has some",
        ),
        pytest.param(
            [files("doc", "document", "image"), files("pics", "image", is_list=True)],
            [IMAGE, IMAGE, DOCUMENT],
            {"doc": remote(DOCUMENT), "pics": [remote(IMAGE), remote(IMAGE)]},
            id="first what has one place only",
        ),
        pytest.param([files("any")], [SOUND], {"any": remote(SOUND)}, id="an input that names no types"),
        pytest.param(
            [files("any", "custom")], [SOUND], {"any": remote(SOUND, "custom")}, id="custom extensions may be any"
        ),
        pytest.param(
            [files("any", "custom", "image")], [IMAGE], {"any": remote(IMAGE)}, id="custom beside its own type"
        ),
    ],
)
def test_files_go_to(items: list[dict[str, Any]], given: list[Attachment], expected: dict[str, Any]) -> None:
    assert declared(call(files=tuple(given)), form(*items)).inputs == expected


def test_a_file_that_no_input_takes_goes_with_the_query_where_it_can() -> None:
    given = call(files=(IMAGE, replace(DOCUMENT, url="", upload_id="u")))
    fitted = with_declared(given, variables({"user_input_form": [files("pic", "image")]}), takes_files=True)
    beside = {"type": "document", "transfer_method": "local_file", "upload_file_id": "u"}
    assert (fitted.inputs, fitted.dify_files) == ({"pic": remote(IMAGE)}, (beside,))


def test_an_input_that_the_caller_fills_is_not_free() -> None:
    dify = form(files("a", "image"), files("b", "image"))
    given = call(files=(IMAGE,), inputs={"a": {"url": "mine"}})
    assert declared(given, dify).inputs == {"a": {"url": "mine"}, "b": remote(IMAGE)}


@pytest.mark.parametrize(
    ("items", "given", "said"),
    [
        pytest.param([], [IMAGE], "an image", id="no input at all"),
        pytest.param([variable("text-input", "pic")], [IMAGE], "an image", id="no file input"),
        pytest.param([files("doc", "document")], [SOUND], "an audio", id="an input of another type"),
        pytest.param([files("pic", "image")], [IMAGE, IMAGE], "an image", id="one input, two files"),
        pytest.param([files("pic", "image")], [DOCUMENT], "a document", id="a document"),
    ],
)
def test_a_file_that_no_input_takes_is_a_400_that_names_the_part(
    items: list[dict[str, Any]], given: list[Attachment], said: str
) -> None:
    with pytest.raises(DuckError) as refusal:
        declared(call(files=tuple(given)), form(*items))
    error = refusal.value
    assert (error.code, error.status) == ("files_not_supported", 400)
    assert error.message.startswith(f"'{given[-1].part}' is {said}, and the app support has no free file input")
    assert "file input" in error.remedy
    assert given[-1].url not in error.message

from typing import Any, Final

import gevent
import pytest
from dify_plugin.config.config import InstallMethod
from dify_plugin.core.runtime import Session

from gateway.call import AppCall
from gateway.chats import Chats
from gateway.conversations import Conversations
from gateway.errors import DuckError
from gateway.events import Event, Failed, File, Finished, Kind, Paused, Started, Text
from gateway.limits import READ_TIMEOUT
from gateway.seals import Holder
from gateway.settings import App, Settings, parse
from gateway.slots import take_slot
from gateway.start import Place, start
from gateway.streaming import Run
from gateway.transports.reverse import ReverseTransport
from gateway.transports.storage import SessionStorage
from gateway.view import View
from tests.gateway.fake_dify import INTERNAL_SERVER_ERROR, FakeApp, FakeDify, refusal, variable
from tests.gateway.recorded import HANDMADE, RECORDINGS

ID: Final = "11111111-1111-4111-8111-111111111111"
CONVERSATION: Final = "c0000000-0000-4000-8000-000000000000"
PATIENCE: Final = 10.0
"""Seconds that a test waits for what must come."""


def workspace(kind: Kind = Kind.CHAT, *form: dict[str, Any], dicts: tuple[Any, ...] = (), **more: Any) -> FakeDify:
    return FakeDify({ID: FakeApp(kind, form, dicts)}, **more)


def started(
    dify: FakeDify,
    query: str = "",
    inputs: dict[str, Any] | None = None,
    *,
    conversation_id: str = "",
    fallback: Kind = Kind.WORKFLOW,
    app: App | None = None,
    settings: Settings | None = None,
    origin: str = "https://dify.example.com",
) -> Run:
    chosen = settings or parse({"apps": f"echo={ID}"})
    called = app or chosen.app_named(ID) or App(ID, ID)
    place = place_of(dify, dify.session(), chosen, origin)
    return start(AppCall(called, query, inputs or {}, conversation_id), place, fallback)


def place_of(dify: FakeDify, session: Session, settings: Settings, origin: str) -> Place:
    """Where a call happens; conversations keep Dify's ids, for the handles have tests of their own."""
    storage = SessionStorage(session)
    holder = Holder(dify.endpoint_id, "web", "", ID)
    return Place(
        dify.endpoint_id,
        ReverseTransport(session),
        storage,
        Conversations(holder, storage, is_sealed=False),
        Chats(holder, storage),
        settings,
        View(settings.detail, origin, ""),
        "a-request-id",
    )


def events_of(run: Run) -> list[Event]:
    events = [run.next(PATIENCE)]
    while not isinstance(events[-1], Finished | Paused | Failed):
        events.append(run.next(PATIENCE))
    return events


def failure_of(run: Run) -> DuckError:
    """The failure of a run that began with nothing else."""
    (event,) = events_of(run)
    assert isinstance(event, Failed)
    return event.error


def sent(dify: FakeDify) -> list[tuple[str, str | None, dict[str, Any]]]:
    """What was asked of Dify: interface, query and inputs."""
    return [(interface, request.get("query"), request["inputs"]) for interface, request in dify.calls]


# -- Which way a call takes ----------------------------------------------------------------------------------------

TEXT: Final = variable("text-input", "text")
NUMBER: Final = variable("number", "n")


@pytest.mark.parametrize(
    ("kind", "form", "query", "inputs", "expected"),
    [
        pytest.param(Kind.CHAT, [], "hi", {}, ("chat", "hi", {}), id="a chat app, told by its first event"),
        pytest.param(Kind.AGENT, [], "hi", {}, ("chat", "hi", {}), id="an agent"),
        pytest.param(Kind.CHATFLOW, [TEXT], "hi", {"text": "x"}, ("chat", "hi", {"text": "x"}), id="a chatflow"),
        pytest.param(
            Kind.WORKFLOW, [TEXT], "hi", {}, ("workflow", None, {"text": "hi"}), id="a workflow takes it as input"
        ),
        pytest.param(
            Kind.WORKFLOW, [TEXT], "hi", {"text": "hi"}, ("workflow", None, {"text": "hi"}), id="given twice, the same"
        ),
        pytest.param(
            Kind.WORKFLOW, [TEXT], "hi", {"text": ""}, ("workflow", None, {"text": "hi"}), id="the input is empty"
        ),
        pytest.param(
            Kind.WORKFLOW,
            [TEXT, NUMBER],
            "hi",
            {"n": 1},
            ("workflow", None, {"text": "hi", "n": 1}),
            id="beside other inputs",
        ),
        pytest.param(Kind.WORKFLOW, [TEXT], "", {"text": "x"}, ("workflow", None, {"text": "x"}), id="inputs only"),
        pytest.param(Kind.WORKFLOW, [], "", {}, ("workflow", None, {}), id="nothing at all"),
        pytest.param(Kind.WORKFLOW, [], "hi", {}, ("chat", "hi", {}), id="a workflow without inputs, not known as one"),
    ],
)
def test_a_call_reaches_dify_as(
    kind: Kind, form: list[dict[str, Any]], query: str, inputs: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    dify = workspace(kind, *form)
    first, *_, last = events_of(started(dify, query, inputs))
    assert isinstance(first, Started)
    assert isinstance(last, Finished)
    assert first.kind is kind
    assert sent(dify)[-1] == expected


def test_a_configured_kind_needs_no_probe() -> None:
    dify = workspace(Kind.WORKFLOW, TEXT)
    events_of(started(dify, "hi", app=App("a", ID, Kind.WORKFLOW, query="text")))
    assert (dify.asked, sent(dify)) == ([], [("workflow", None, {"text": "hi"})])


def test_a_kind_learnt_from_a_run_holds_for_the_next_call() -> None:
    dify = workspace(Kind.WORKFLOW)
    events_of(started(dify, "hi"))
    events_of(started(dify, "hi"))
    assert [interface for interface, _, _ in sent(dify)] == ["chat", "workflow"]
    assert sent(dify)[-1] == ("workflow", None, {})


@pytest.mark.parametrize(
    ("fallback", "interface"), [(Kind.WORKFLOW, "workflow"), (Kind.COMPLETION, "completion")], ids=str
)
def test_without_a_query_the_route_names_the_interface(fallback: Kind, interface: str) -> None:
    dify = workspace(Kind.WORKFLOW)
    events_of(started(dify, fallback=fallback))
    assert [name for name, _, _ in sent(dify)] == [interface]


# -- What does not fit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.AGENT, Kind.CHATFLOW])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_a_chat_app_without_a_query_is_a_400_that_names_the_right_route(kind: Kind, is_known: bool) -> None:
    dify = workspace(kind)
    if is_known:
        events_of(started(dify, "hi"))
    error = failure_of(started(dify, inputs={"a": 1}))
    assert (error.code, error.status) == ("wrong_app_kind", 400)
    assert "/chat/<app_id>" in error.remedy


def test_a_query_and_another_value_for_its_input_are_a_400() -> None:
    dify = workspace(Kind.WORKFLOW, TEXT)
    error = failure_of(started(dify, "hi", {"text": "bye"}))
    assert (error.code, error.status) == ("invalid_request", 400)
    assert "inputs.text" in error.message
    assert "bye" not in error.message


def test_a_query_outranks_the_default_of_its_input() -> None:
    dify = workspace(Kind.WORKFLOW, TEXT)
    app = App("a", ID, inputs={"text": "default"})
    events_of(started(dify, "hi", {"text": "default"}, app=app))
    assert sent(dify)[-1] == ("workflow", None, {"text": "hi"})


def test_a_workflow_that_has_no_place_for_a_query_lists_its_variables() -> None:
    error = failure_of(started(workspace(Kind.WORKFLOW, NUMBER, variable("file", "doc")), "hi"))
    assert (error.code, error.status) == ("wrong_app_kind", 400)
    assert "n, doc" in error.message


def test_a_missing_input_is_a_400_before_the_run() -> None:
    dify = workspace(Kind.WORKFLOW, variable("text-input", "text", required=True))
    error = failure_of(started(dify, inputs={}))
    assert (error.code, error.status, error.message) == ("invalid_input", 400, "The input text is required.")


@pytest.mark.parametrize(
    ("configured", "real", "query"),
    [(Kind.CHAT, Kind.WORKFLOW, "hi"), (Kind.WORKFLOW, Kind.CHATFLOW, "hi")],
    ids=["a workflow, configured as chat", "a chatflow, configured as workflow"],
)
def test_a_kind_that_is_configured_wrong_is_the_operators_to_mend(configured: Kind, real: Kind, query: str) -> None:
    app = App("echo", ID, configured, query="text")
    error = failure_of(started(workspace(real), query, app=app))
    assert (error.code, error.status) == ("misconfigured", 500)
    assert "kind of echo" in error.message


# -- Completion apps -----------------------------------------------------------------------------------------------

QUERY: Final = variable("paragraph", "query", is_typed=False)


@pytest.mark.parametrize("query", ["hi", ""], ids=["with a query", "without"])
@pytest.mark.parametrize("app", [None, App("c", ID, Kind.COMPLETION)], ids=["found out", "configured"])
def test_a_completion_app_is_a_400_that_says_what_works(query: str, app: App | None) -> None:
    dify = workspace(Kind.COMPLETION, QUERY)
    error = failure_of(started(dify, query, {"query": "x"}, fallback=Kind.COMPLETION, app=app))
    assert (error.code, error.status) == ("completion_not_supported", 400)
    assert "API key" in error.remedy


def test_a_dify_that_runs_completion_apps_is_not_in_the_way() -> None:
    dify = workspace(Kind.COMPLETION, QUERY, dicts=HANDMADE["completion-answers"].dicts)
    events = events_of(started(dify, inputs={"query": "x"}, fallback=Kind.COMPLETION))
    assert "".join(event.text for event in events if isinstance(event, Text)) == "Once upon a time"


def test_another_apps_500_is_not_taken_for_a_completion_app() -> None:
    dify = workspace(Kind.CHAT, QUERY, dicts=(Exception(INTERNAL_SERVER_ERROR),))
    assert failure_of(started(dify, "hi")).code == "dify_error"


# -- Which app -----------------------------------------------------------------------------------------------------


def test_a_listed_app_that_dify_does_not_know_is_a_502_that_names_it() -> None:
    error = failure_of(started(FakeDify({}), "hi"))
    assert (error.code, error.status) == ("app_unavailable", 502)
    assert "echo" in error.message


def test_under_workspace_an_id_that_dify_does_not_know_is_the_same_404_as_any_unknown_name() -> None:
    error = failure_of(started(FakeDify({}), "hi", settings=parse({"exposure": "workspace"})))
    assert (error.code, error.status) == ("app_not_found", 404)


def test_a_chat_app_without_a_model_is_told_from_an_unknown_conversation() -> None:
    error = failure_of(started(workspace(Kind.CHAT, dicts=(refusal(""),)), "hi"))
    assert (error.code, error.status) == ("app_not_published", 502)


# -- Conversations -------------------------------------------------------------------------------------------------


def with_conversation(kind: Kind) -> FakeDify:
    return FakeDify({ID: FakeApp(kind, conversations=frozenset({CONVERSATION}))})


@pytest.mark.parametrize("given", [CONVERSATION, CONVERSATION.upper(), CONVERSATION.replace("-", "")])
@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.AGENT, Kind.CHATFLOW])
def test_a_conversation_goes_on(kind: Kind, given: str) -> None:
    dify = with_conversation(kind)
    first, *_, last = events_of(started(dify, "hi", conversation_id=given))
    assert isinstance(first, Started)
    assert isinstance(last, Finished)
    assert first.conversation_id == dify.calls[-1][1]["conversation_id"] == CONVERSATION


@pytest.mark.parametrize("kind", [Kind.CHAT, Kind.AGENT, Kind.CHATFLOW])
def test_an_unknown_conversation_is_a_404_also_where_dify_begins_a_new_one(kind: Kind) -> None:
    other = CONVERSATION.replace("c", "d")
    error = failure_of(started(with_conversation(kind), "hi", conversation_id=other))
    assert (error.code, error.status) == ("conversation_not_found", 404)
    assert "leave it out to start a new one" in error.remedy


@pytest.mark.parametrize("given", ["x", "1", "c" * 36, "'; --", "\x00", "null", CONVERSATION + "0", "é" * 36])
def test_a_malformed_conversation_is_the_same_404_without_asking_dify(given: str) -> None:
    dify = with_conversation(Kind.CHAT)
    with pytest.raises(DuckError) as refused:
        started(dify, "hi", conversation_id=given)
    assert (refused.value.code, refused.value.status) == ("conversation_not_found", 404)
    assert (dify.asked, dify.calls) == ([], [])


def test_a_run_of_another_conversation_is_given_up() -> None:
    dify = with_conversation(Kind.CHATFLOW)
    run = started(dify, "hi", conversation_id=CONVERSATION.replace("c", "d"))
    assert failure_of(run).code == "conversation_not_found"
    assert is_free(dify, PATIENCE)


# -- Slots and limits ----------------------------------------------------------------------------------------------

ONE_SLOT: Final = {"apps": f"echo={ID}", "max_streams": "1"}


def is_free(dify: FakeDify, max_wait: float = 0) -> bool:
    """Whether the endpoint's only slot is free, at once or soon."""
    try:
        take_slot(dify.endpoint_id, 1, max_wait).release()
    except DuckError:
        return False
    return True


def test_a_run_holds_a_slot_until_it_has_ended() -> None:
    dify = workspace()
    run = started(dify, "hi", settings=parse(ONE_SLOT))
    assert not is_free(dify)
    events_of(run)
    assert is_free(dify, PATIENCE)


def test_a_run_that_is_stopped_gives_its_slot_back() -> None:
    dify = workspace()
    started(dify, "hi", settings=parse(ONE_SLOT)).stop()
    assert is_free(dify)


@pytest.mark.parametrize(
    "dify",
    [
        FakeDify({}),
        workspace(Kind.WORKFLOW, NUMBER),
        workspace(dicts=(Exception("boom"),)),
        workspace(dicts=(KeyError(),)),
    ],
    ids=["no such app", "no place for the query", "a broken transport", "an error that nobody foresaw"],
)
def test_a_call_that_fails_gives_its_slot_back(dify: FakeDify) -> None:
    failure_of(started(dify, "hi", settings=parse(ONE_SLOT)))
    assert is_free(dify, PATIENCE)


def test_a_refused_call_holds_no_slot() -> None:
    dify = workspace()
    with pytest.raises(DuckError):
        started(dify, "hi", conversation_id="x", settings=parse(ONE_SLOT))
    assert is_free(dify)


def test_endpoints_hold_their_own_slots() -> None:
    first, second = workspace(), workspace()
    run = started(first, "hi", settings=parse(ONE_SLOT))
    assert (is_free(first), is_free(second)) == (False, True)
    run.stop()


@pytest.mark.parametrize(("method", "code"), [(InstallMethod.Local, "run_timeout"), (InstallMethod.Remote, "")])
def test_a_local_plugin_keeps_to_the_daemons_clock(
    method: InstallMethod, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READ_TIMEOUT, "60")  # milliseconds
    first, *rest = RECORDINGS["chat-echo-turn1"].dicts
    dify = workspace(dicts=(first, lambda: gevent.sleep(0.2), *rest), install_method=method)
    last = events_of(started(dify, "hi"))[-1]
    assert (last.error.code if isinstance(last, Failed) else "") == code


def test_run_timeout_ends_a_run_that_asks_dify_for_its_form_too_long() -> None:
    dify = workspace(Kind.WORKFLOW, TEXT)
    session: Any = dify.session()
    session.app.fetch_app = lambda **_: gevent.sleep(PATIENCE)
    settings = Settings(apps=(App("echo", ID),), run_timeout=0.05)
    place = place_of(dify, session, settings, "")
    assert failure_of(start(AppCall(settings.apps[0], "hi", {}, ""), place, Kind.WORKFLOW)).code == "run_timeout"


# -- The stages between --------------------------------------------------------------------------------------------


def test_relative_links_are_made_absolute_on_the_way() -> None:
    file = "/files/tools/0b1c2d3e-1111-4111-8111-111111111111.png?sign=1"
    ids = {"conversation_id": "c", "message_id": "m", "task_id": "t"}
    dicts = (
        {"event": "message_file", **ids, "id": "f", "type": "image", "url": file},
        {"event": "message", **ids, "answer": f"![a]({file})"},
        {"event": "message_end", **ids, "metadata": {}},
    )
    events = events_of(started(workspace(dicts=dicts), "hi"))
    assert [event.url for event in events if isinstance(event, File)] == [f"https://dify.example.com{file}"]
    assert [event.text for event in events if isinstance(event, Text)] == [f"![a](https://dify.example.com{file})"]


def test_a_failure_in_the_middle_is_the_last_event() -> None:
    dify = workspace(dicts=(RECORDINGS["chat-echo-turn1"].dicts[0], Exception("read app failed: EOF")))
    *before, last = events_of(started(dify, "hi"))
    assert [type(event) for event in before] == [Started, Text]
    assert isinstance(last, Failed)
    assert last.error.code == "dify_unreachable"

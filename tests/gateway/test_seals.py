import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.conversations import Conversations
from gateway.errors import DuckError
from gateway.events import Raw
from gateway.seals import Holder, SealKind, Seals, opened_files, opened_inputs, shown_ids
from gateway.secret import KEY, SIZE
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeDify, FakeStorage
from tests.gateway.recorded import RUNS, Recording

ID: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"
OTHER_ID: Final = "c86d5c15-88ed-4048-87cf-75e43ccb3e0e"
TASK: Final = "11111111-1111-4111-8111-111111111111"
MESSAGE: Final = "22222222-2222-4222-8222-222222222222"
RUN: Final = "33333333-3333-4333-8333-333333333333"
FILE: Final = "44444444-4444-4444-8444-444444444444"
HOLDER: Final = Holder("the-endpoint", "web", "", "55555555-5555-4555-8555-555555555555")
SECRET: Final = bytes(range(SIZE))
THEIRS: Final = "another caller's"
KINDS: Final[tuple[SealKind, ...]] = ("task", "message", "file", "run")


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint's secret is known yet."""
    monkeypatch.setattr("gateway.secret._known", {})


def storage(kept: FakeStorage | None = None) -> SessionStorage:
    return SessionStorage(FakeDify({}, storage=kept or FakeStorage({KEY: SECRET})).session())


def seals(holder: Holder = HOLDER, kept: FakeStorage | None = None) -> Seals:
    return Seals(holder, storage(kept), "")


def refused(kind: SealKind, given: str, holder: Holder = HOLDER) -> DuckError:
    with pytest.raises(DuckError) as caught:
        seals(holder).opened(kind, given)
    return caught.value


# -- What a sealed id is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "id_", "sealed"),
    [
        ("task", ID, "-9lm4Z8GT6ieSlkQDGIDYw.2RYDQUrtYWKkgXlL-SKRskd9-Q72YfFcqE04-YC1npI"),
        ("file", "dify-file-ref:e30=", "~ZGlmeS1maWxlLXJlZjplMzA9.qYLVYxEp18qMG8-6A7x7dHX0gBenWZeJtiAvKSplv-s"),
    ],
)
def test_a_sealed_id_is_the_one_that_callers_already_have(kind: SealKind, id_: str, sealed: str) -> None:
    assert seals().sealed(kind, id_) == sealed
    assert seals().opened(kind, sealed) == id_


@given(kind=st.sampled_from(KINDS), id_=st.uuids().map(str) | st.text(min_size=1))
def test_what_is_sealed_stands_in_a_url_and_opens(kind: SealKind, id_: str) -> None:
    sealed = seals().sealed(kind, id_)
    assert quote(sealed, safe="") == sealed
    assert seals().opened(kind, sealed) == id_


@given(st.uuids())
def test_a_sealed_uuid_is_short(id_: UUID) -> None:
    assert len(seals().sealed("message", str(id_))) == 66


@given(st.text(min_size=14, max_size=18) | st.uuids().map(lambda id_: id_.hex))
def test_no_text_is_sealed_as_a_uuid_is(text: str) -> None:
    assert seals().sealed("file", text).startswith("~")


def test_no_id_is_sealed_as_none() -> None:
    assert seals().sealed("task", "") == ""


# -- Whom it is bound to -------------------------------------------------------------------------------------------

OTHERS: Final[Mapping[str, Holder]] = {
    "another endpoint": replace(HOLDER, endpoint_id="another-endpoint"),
    "another caller": replace(HOLDER, caller="mobile"),
    "a user of the caller": replace(HOLDER, user="ann"),
    "another app": replace(HOLDER, app_id=ID),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_for_nobody_else(kind: SealKind, other: Holder) -> None:
    theirs = seals(other).sealed(kind, ID)
    assert seals(other).opened(kind, theirs) == ID
    assert refused(kind, theirs).code == "not_found"


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_as_no_other_kind_and_as_no_conversation(kind: SealKind) -> None:
    sealed = seals().sealed(kind, ID)
    assert {refused(other, sealed).code for other in KINDS if other != kind} == {"not_found"}
    conversations = Conversations(HOLDER, storage(), is_sealed=True)
    with pytest.raises(DuckError, match="conversation_not_found"):
        conversations.opened(sealed)
    assert refused(kind, conversations.shown(ID)).code == "not_found"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("task", "task"), ("message", "message"), ("file", "uploaded file"), ("run", "workflow run")],
)
def test_a_refusal_says_what_it_is_and_is_the_same_whatever_is_wrong(kind: SealKind, name: str) -> None:
    error = refused(kind, "nonsense")
    assert (error.status, error.message) == (404, f"There is no {name} with this id for this caller, user and app.")
    theirs = seals(OTHERS["another caller"]).sealed(kind, ID)
    assert refused(kind, theirs).args == refused(kind, ID).args == error.args


@pytest.mark.parametrize("given", ["", ID, ID.upper(), UUID(ID).hex, "~", "~.x", "é" * 22, "~\ud800", "x" * 66, "."])
def test_what_is_no_sealed_id_does_not_open(given: str) -> None:
    assert refused("message", given).code == "not_found"


def test_half_a_character_behind_a_sealed_id_is_refused_as_any_other() -> None:
    assert refused("run", seals().sealed("run", ID) + "\ud800").code == "not_found"


def test_difys_id_is_refused_without_asking_the_storage() -> None:
    kept = FakeStorage(fault=Exception("the storage is down"))
    for text in ("", ID, "nonsense", "~"):
        with pytest.raises(DuckError, match="not_found"):
            seals(kept=kept).opened("file", text)
    assert kept.calls == []


@pytest.mark.parametrize("id_", [ID, "a text"])
@given(place=st.integers(0, 70), taken=st.integers(0, 2), put=st.text("AZaz09-_~.=+/% \n", max_size=2))
def test_what_was_altered_anywhere_does_not_open(id_: str, place: int, taken: int, put: str) -> None:
    sealed = seals().sealed("run", id_)
    altered = sealed[:place] + put + sealed[place + taken :]
    assume(altered != sealed)
    assert refused("run", altered).code == "not_found"


def test_without_the_secret_nothing_is_sealed_or_opened() -> None:
    sealed = seals().sealed("file", ID)
    unreachable = seals(replace(HOLDER, endpoint_id="new"), FakeStorage(fault=Exception("the storage is down")))
    for call in (
        unreachable.prepare,
        lambda: unreachable.sealed("file", ID),
        lambda: unreachable.opened("file", sealed),
        lambda: list(shown_ids([{"event": "message", "task_id": TASK}], unreachable)),
    ):
        with pytest.raises(DuckError, match="storage_unavailable"):
            call()


# -- In a run's events ---------------------------------------------------------------------------------------------


def shown(*dicts: Raw) -> list[Raw]:
    return list(shown_ids(dicts, seals()))


def sealed(kind: SealKind, id_: str) -> str:
    return seals().sealed(kind, id_)


def test_a_text_event_has_sealed_ids_in_their_places_and_its_text_as_it_was() -> None:
    raw = {"event": "message", "task_id": TASK, "message_id": MESSAGE, "id": MESSAGE, "answer": f"see {MESSAGE}"}
    message = sealed("message", MESSAGE)
    assert shown(raw) == [{**raw, "task_id": sealed("task", TASK), "message_id": message, "id": message}]


def test_an_id_that_is_not_the_messages_stays() -> None:
    raw = {"event": "agent_thought", "message_id": MESSAGE, "id": ID, "thought": "t"}
    assert shown(raw) == [{**raw, "message_id": sealed("message", MESSAGE)}]


def test_the_runs_own_ids_are_replaced_however_deep_they_stand() -> None:
    def raw(task: str, message: str, run: str) -> Raw:
        return {
            "event": "node_finished",
            "task_id": task,
            "message_id": message,
            "workflow_run_id": run,
            "data": {
                "inputs": {"sys.workflow_run_id": run, "n": 1},
                "process_data": json.dumps([message, {"t": task}]),
            },
        }

    ids = sealed("task", TASK), sealed("message", MESSAGE), sealed("run", RUN)
    assert shown(raw(TASK, MESSAGE, RUN)) == [raw(*ids)]


def test_of_a_task_and_a_run_with_one_id_each_has_its_own_seal_and_the_runs_stands_elsewhere() -> None:
    started = {"event": "workflow_started", "task_id": RUN, "workflow_run_id": RUN, "data": {"id": RUN}}
    later = {"event": "tts_message", "task_id": RUN, "data": {"of": RUN}}
    task, run = sealed("task", RUN), sealed("run", RUN)
    assert shown(started, later) == [
        {**started, "task_id": task, "workflow_run_id": run, "data": {"id": run}},
        {**later, "task_id": task, "data": {"of": run}},
    ]


def test_an_id_that_is_no_uuid_is_replaced_in_its_own_place_only() -> None:
    raw = {"event": "node_finished", "task_id": "t", "data": {"title": "the title"}}
    assert shown(raw) == [{**raw, "task_id": sealed("task", "t")}]


def test_an_authors_own_member_of_such_a_name_stays() -> None:
    raw = {"event": "workflow_finished", "workflow_run_id": RUN, "data": {"outputs": {"task_id": "T-1", "id": "x"}}}
    assert shown(raw) == [{**raw, "workflow_run_id": sealed("run", RUN)}]


def test_files_are_sealed_by_whatever_names_them_and_their_links_stay() -> None:
    url = f"https://dify.example/files/{FILE}/file-preview?sign=x"
    file = {"transfer_method": "local_file", "id": None, "related_id": FILE, "upload_file_id": FILE, "url": url}
    named = {"reference": "dify-file-ref:e30=", "tool_file_id": ""}
    id_ = sealed("file in a value", FILE)
    hidden = {
        **file,
        "related_id": id_,
        "upload_file_id": id_,
        "reference": sealed("file in a value", "dify-file-ref:e30="),
        "tool_file_id": "",
    }
    end = {"event": "message_end", "files": [{**file, **named}], "metadata": {}}
    finished = {"event": "workflow_finished", "data": {"outputs": {"deep": [{"file": {**file, **named}}]}}}
    assert shown(end, finished) == [
        {**end, "files": [hidden]},
        {**finished, "data": {"outputs": {"deep": [{"file": hidden}]}}},
    ]


def test_no_request_can_use_an_id_that_only_stood_in_a_value() -> None:
    """An app that returns what it was given must not turn somebody else's id into one that is sealed for the caller."""
    made_up = {"type": "image", "transfer_method": "local_file", "upload_file_id": FILE}
    (finished,) = shown({"event": "workflow_finished", "data": {"outputs": {"said": made_up}}})
    given_back = finished["data"]["outputs"]["said"]
    assert given_back["upload_file_id"] != FILE
    with pytest.raises(DuckError, match="not_found"):
        opened_inputs({"file": given_back}, seals())


@pytest.mark.parametrize("nest", [lambda file: [file], lambda file: {"a": {"b": [file]}}], ids=["list", "deep"])
def test_a_bare_id_is_found_however_deep_it_stands(nest: Callable[[Any], Any]) -> None:
    with pytest.raises(DuckError, match="not_found"):
        opened_inputs({"x": nest({"transfer_method": "local_file", "upload_file_id": FILE})}, seals())


@pytest.mark.parametrize(("kind", "is_bound"), [("task", True), ("message", True), ("file", True), ("run", False)])
def test_what_is_an_end_users_in_dify_is_that_users_here(kind: SealKind, is_bound: bool) -> None:
    ann, bob = Seals(HOLDER, storage(), "ann"), Seals(HOLDER, storage(), "bob")
    given = ann.sealed(kind, FILE)
    assert ann.opened(kind, given) == FILE
    if is_bound:
        with pytest.raises(DuckError, match="not_found"):
            bob.opened(kind, given)
    else:
        assert bob.opened(kind, given) == FILE


def test_a_files_own_event_and_an_agents_thought_name_it_alike() -> None:
    made = {"event": "message_file", "message_id": MESSAGE, "id": FILE, "url": "https://x/f"}
    thought = {"event": "agent_thought", "message_id": MESSAGE, "id": ID, "message_files": [FILE]}
    message, file = sealed("message", MESSAGE), sealed("file", FILE)
    assert shown(made, thought) == [
        {**made, "message_id": message, "id": file},
        {**thought, "message_id": message, "message_files": [file]},
    ]


def test_a_refusal_holds_no_id_of_the_run() -> None:
    def dicts() -> Iterator[Raw]:
        yield {"event": "message", "task_id": TASK}
        raise DuckError("app_failed", f"Task {TASK} failed.")

    with pytest.raises(DuckError) as caught:
        list(shown_ids(dicts(), seals()))
    assert caught.value.message == f"Task {sealed('task', TASK)} failed."


def test_difys_own_dict_is_never_changed() -> None:
    raw = {"event": "message_end", "task_id": TASK, "files": [{"transfer_method": "x", "related_id": FILE}]}
    before = json.dumps(raw)
    shown(raw)
    assert json.dumps(raw) == before


_LINK: Final = "/files/"


def bare(raw: Any, ids: set[str]) -> list[str]:
    """The ids that stand in a value, but for what belongs to a link."""
    match raw:
        case dict():
            return [found for value in raw.values() for found in bare(value, ids)]
        case list():
            return [found for value in raw for found in bare(value, ids)]
        case str() if _LINK not in raw:
            return [id_ for id_ in ids if id_ in raw]
        case _:
            return []


@pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))
def test_no_recorded_run_shows_an_id_of_its_own(run: Recording) -> None:
    own = {raw[name] for raw in run.dicts for name in ("task_id", "message_id", "workflow_run_id") if raw.get(name)}
    ids = {id_ for id_ in own if len(id_) == len(ID)}
    told = [{**raw, "answer": ""} for raw in shown(*run.dicts)]
    assert bare(told, ids) == []


# -- In a request --------------------------------------------------------------------------------------------------


def test_a_requests_files_are_opened() -> None:
    files = [
        {"type": "image", "transfer_method": "local_file", "upload_file_id": sealed("file", FILE)},
        {"type": "image", "transfer_method": "tool_file", "tool_file_id": sealed("file", OTHER_ID), "url": ""},
        {"type": "image", "transfer_method": "remote_url", "url": "https://x/a.png", "upload_file_id": ""},
    ]
    assert opened_files(files, seals()) == (
        {**files[0], "upload_file_id": FILE},
        {**files[1], "tool_file_id": OTHER_ID},
        files[2],
    )


def test_files_among_the_inputs_are_opened_and_nothing_else_is_touched() -> None:
    def inputs(id_: str) -> dict[str, Any]:
        file = {"transfer_method": "local_file", "upload_file_id": id_}
        return {
            "one": file,
            "many": [file, {"upload_file_id": "x"}],
            "text": id_[:3] and "t",
            "cfg": {"reference": "r"},
        }

    assert opened_inputs(inputs(sealed("file", FILE)), seals()) == inputs(FILE)


@pytest.mark.parametrize("member", ["upload_file_id", "tool_file_id", "datasource_file_id", "related_id", "reference"])
@pytest.mark.parametrize("given", [FILE, THEIRS, 5, ["x"]], ids=str)
def test_a_file_that_is_not_the_callers_is_a_404(member: str, given: object) -> None:
    if given == THEIRS:
        given = seals(OTHERS["another caller"]).sealed("file", FILE)
    file = {"transfer_method": "local_file", member: given}
    for opened in (lambda: opened_files([file], seals()), lambda: opened_inputs({"f": [file]}, seals())):
        with pytest.raises(DuckError) as caught:
            opened()
        assert (caught.value.code, caught.value.status) == ("not_found", 404)

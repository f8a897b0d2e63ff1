import base64
import json
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import serve
from gateway.conversations import Conversations
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.seals import Holder
from gateway.secret import KEY, SIZE
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeApp, FakeDify, FakeStorage
from tests.gateway.recorded import RUNS, Recording

ID: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"
OTHER_ID: Final = "c86d5c15-88ed-4048-87cf-75e43ccb3e0e"
APP: Final = "11111111-1111-4111-8111-111111111111"
OTHER_APP: Final = "22222222-2222-4222-8222-222222222222"
HOLDER: Final = Holder("the-endpoint", "web", "", APP)
SECRET: Final = bytes(range(SIZE))
HANDLE: Final = "-9lm4Z8GT6ieSlkQDGIDYw.AO5OOe0jahgOHmloLpfniElRvItvkRNrwKlNdKr4jCc"
"""Of `ID` for `HOLDER` under `SECRET`; callers keep theirs, so no release may change it."""

FORM: Final = re.compile(r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")
"""66 characters that stand in a URL as they are (RFC 3986, 2.3)."""


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint's secret is known yet."""
    monkeypatch.setattr("gateway.secret._known", {})


def workspace(secret: bytes = SECRET) -> FakeStorage:
    return FakeStorage({KEY: secret})


def conversations(holder: Holder = HOLDER, kept: FakeStorage | None = None, *, is_sealed: bool = True) -> Conversations:
    dify = FakeDify({}, storage=workspace() if kept is None else kept)
    return Conversations(holder, SessionStorage(dify.session()), is_sealed=is_sealed)


def refused(given: str, holder: Holder = HOLDER, *, is_sealed: bool = True) -> DuckError:
    with pytest.raises(DuckError) as caught:
        conversations(holder, is_sealed=is_sealed).opened(given)
    return caught.value


def code_of(given: str, holder: Holder = HOLDER) -> str:
    return refused(given, holder).code


# -- What a handle is ----------------------------------------------------------------------------------------------


def test_a_handle_is_the_one_that_callers_already_have() -> None:
    assert conversations().shown(ID) == HANDLE
    assert conversations().opened(HANDLE) == ID


@given(st.uuids())
def test_a_handle_is_short_stands_in_a_url_and_opens(conversation: UUID) -> None:
    handle = conversations().shown(str(conversation))
    assert FORM.fullmatch(handle)
    assert quote(handle, safe="") == handle
    assert conversations().opened(handle) == str(conversation)


def test_a_handle_is_the_same_after_a_restart_and_on_every_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FakeStorage()
    handle = conversations(kept=kept).shown(ID)
    monkeypatch.setattr("gateway.secret._known", {})
    assert conversations(kept=kept).shown(ID) == handle
    monkeypatch.setattr("gateway.secret._known", {})
    assert conversations(kept=kept).opened(handle) == ID


def test_workspaces_have_handles_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = conversations(kept=FakeStorage()).shown(ID)
    monkeypatch.setattr("gateway.secret._known", {})
    with pytest.raises(DuckError, match="conversation_not_found"):
        conversations(kept=FakeStorage()).opened(handle)


def test_a_conversation_that_has_no_id_of_difys_form_has_no_handle() -> None:
    shown = conversations()
    assert [shown.shown(text) for text in ("", "no-uuid", "1", f"{ID}x")] == ["", "", "", ""]


def test_in_turns_of_two_conversations_each_has_its_own_handle() -> None:
    shown = conversations()
    handles = [shown.shown(text) for text in (ID, OTHER_ID, ID, OTHER_ID)]
    assert (handles[:2] == handles[2:], handles[0] != handles[1]) == (True, True)


# -- Whom it is bound to -------------------------------------------------------------------------------------------

OTHERS: Final[Mapping[str, Holder]] = {
    "another endpoint": replace(HOLDER, endpoint_id="another-endpoint"),
    "another caller": replace(HOLDER, caller="mobile"),
    "a caller of a like name": replace(HOLDER, caller="web2"),
    "a user of the caller": replace(HOLDER, user="ann"),
    "another app": replace(HOLDER, app_id=OTHER_APP),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_handle_opens_for_nobody_else(other: Holder) -> None:
    theirs = conversations(other).shown(ID)
    assert (code_of(HANDLE, other), code_of(theirs), theirs[:22]) == (
        "conversation_not_found",
        "conversation_not_found",
        HANDLE[:22],
    )
    assert conversations(other).opened(theirs) == ID


_texts: Final = st.text(max_size=6) | st.text('",[]\\\0 ab', max_size=6)
_holders: Final = st.builds(Holder, _texts, _texts, _texts, _texts)


@given(one=_holders, other=_holders)
@example(one=Holder("e", 'a","b', "", "c"), other=Holder("e", "a", "b", "c"))
@example(one=Holder("ab", "", "", ""), other=Holder("a", "b", "", ""))
def test_no_two_holders_have_the_same_handle(one: Holder, other: Holder) -> None:
    assume(one != other)
    assert conversations(one).shown(ID) != conversations(other).shown(ID)


@pytest.mark.parametrize("other", [None, *OTHERS.values()], ids=["nobody", *OTHERS.keys()])
def test_a_refusal_is_the_same_whatever_is_wrong_with_the_handle(other: Holder | None) -> None:
    given = conversations(other).shown(ID) if other else "nonsense"
    error = refused(given)
    assert (error.code, error.status, error.args) == ("conversation_not_found", 404, refused("").args)
    assert (error.remedy, error.cause, dict(error.headers)) == (refused("").remedy, "", {})


# -- What does not open it -----------------------------------------------------------------------------------------


def _spare_bits(text: str, alphabet: str) -> list[str]:
    """Texts whose last character differs only in bits that a base64 decoder drops."""
    place = alphabet.index(text[-1])
    return [text[:-1] + alphabet[place ^ bits] for bits in range(1, 16)]


_URL_SAFE: Final = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_ID_PART, _SIGNATURE = HANDLE.split(".")

RE_ENCODED: Final[Mapping[str, list[str]]] = {
    "other spare bits of the id": [f"{text}.{_SIGNATURE}" for text in _spare_bits(_ID_PART, _URL_SAFE)],
    "other spare bits of the signature": [f"{_ID_PART}.{text}" for text in _spare_bits(_SIGNATURE, _URL_SAFE)],
    "padding": [f"{_ID_PART}==.{_SIGNATURE}", f"{HANDLE}=", f"{_ID_PART}==.{_SIGNATURE}=", f"{_ID_PART[:-1]}=.x"],
    "the other alphabet": [HANDLE.translate(str.maketrans("-_", "+/")), HANDLE.replace("-", "+", 1)],
    "percent-encoding": [
        "".join(f"%{ord(character):02X}" for character in HANDLE),
        HANDLE.replace(".", "%2E"),
        HANDLE.replace("-", "%2D").replace("_", "%5F"),
    ],
    "case": [HANDLE.upper(), HANDLE.lower(), HANDLE.swapcase(), _ID_PART.swapcase() + "." + _SIGNATURE],
    "white space": [f" {HANDLE}", f"{HANDLE} ", f"{HANDLE}\n", f"{HANDLE}\r\n", f"{HANDLE}\0", f"\ufeff{HANDLE}"],
    "half a character": [f"{HANDLE}\ud800", f"\udc00{HANDLE}"],
    "the id in hex": [f"{ID}.{_SIGNATURE}", f"{UUID(ID).hex}.{_SIGNATURE}"],
    "base64 once more": [base64.urlsafe_b64encode(HANDLE.encode()).decode()],
    "digits of another script": [HANDLE.translate({ord(str(n)): 0x660 + n for n in range(10)})],
    "wide characters": [HANDLE.translate({ord(c): ord(c) + 0xFEE0 for c in string.ascii_letters})],
}


@pytest.mark.parametrize("given", RE_ENCODED.values(), ids=RE_ENCODED.keys())
def test_a_handle_opens_in_its_one_spelling_only(given: list[str]) -> None:
    assert HANDLE not in given
    assert [code_of(text) for text in given] == ["conversation_not_found"] * len(given)


def test_parts_of_two_handles_make_no_third() -> None:
    shown = conversations()
    mine, other = shown.shown(ID).split("."), shown.shown(OTHER_ID).split(".")
    theirs = conversations(OTHERS["another caller"]).shown(ID).split(".")
    made = [(mine[0], other[1]), (other[0], mine[1]), (mine[0], theirs[1]), (mine[1], mine[0]), (mine[0], mine[0])]
    assert [code_of(".".join(parts)) for parts in made] == ["conversation_not_found"] * len(made)
    more = [f"{HANDLE}.{mine[1]}", f"{HANDLE}{HANDLE}", f".{HANDLE}", f"{mine[0]}..{mine[1]}", f"{mine[0]}.", mine[0]]
    assert [code_of(text) for text in more] == ["conversation_not_found"] * len(more)


def test_no_beginning_and_no_end_of_a_handle_opens() -> None:
    cut = [HANDLE[:end] for end in range(len(HANDLE))] + [HANDLE[start:] for start in range(1, len(HANDLE))]
    assert {code_of(text) for text in cut} == {"conversation_not_found"}


@given(
    place=st.integers(0, len(HANDLE)),
    taken=st.integers(0, 3),
    put=st.text(st.sampled_from(_URL_SAFE + ".=+/% \n") | st.characters(exclude_categories=()), max_size=3),
)
def test_a_handle_that_was_altered_anywhere_does_not_open(place: int, taken: int, put: str) -> None:
    altered = HANDLE[:place] + put + HANDLE[place + taken :]
    assume(altered != HANDLE)
    assert code_of(altered) == "conversation_not_found"


@given(st.text(st.characters(exclude_categories=())) | st.from_regex(FORM, fullmatch=True))
def test_no_other_text_opens(text: str) -> None:
    assume(text != HANDLE)
    assert code_of(text) == "conversation_not_found"


BARE: Final[Mapping[str, str]] = {
    "as Dify writes it": ID,
    "in large letters": ID.upper(),
    "without its hyphens": UUID(ID).hex,
}


@pytest.mark.parametrize("given", BARE.values(), ids=BARE.keys())
def test_difys_bare_id_opens_only_where_the_operator_wants_plain_ones(given: str) -> None:
    assert code_of(given) == "conversation_not_found"
    assert conversations(is_sealed=False).opened(given) == ID


@pytest.mark.parametrize("given", ["", "x", f"{{{ID}}}", f"urn:uuid:{ID}", f"{ID} ", ID[:-1], f"{ID}0", HANDLE])
def test_with_plain_ids_all_else_is_the_same_404(given: str) -> None:
    assert refused(given, is_sealed=False).code == "conversation_not_found"


def test_with_plain_ids_nothing_is_replaced_and_the_storage_is_not_touched() -> None:
    kept = FakeStorage(fault=Exception("the storage is down"))
    plain = conversations(kept=kept, is_sealed=False)
    plain.prepare()
    dicts = iter([{"event": "message", "conversation_id": ID}])
    assert (plain.shown(ID), plain.opened(ID), plain.shown_in(dicts)) == (ID, ID, dicts)
    assert kept.calls == []


# -- Without the storage -------------------------------------------------------------------------------------------


def test_without_the_secret_nothing_is_shown_or_opened_and_nothing_leaves_unsigned() -> None:
    sealed = conversations(kept=FakeStorage(fault=Exception("the storage is down")))
    for call in (
        sealed.prepare,
        lambda: sealed.shown(ID),
        lambda: sealed.opened(HANDLE),
        lambda: list(sealed.shown_in(iter([{"event": "message", "conversation_id": ID}]))),
    ):
        with pytest.raises(DuckError) as caught:
            call()
        assert (caught.value.code, caught.value.status) == ("storage_unavailable", 503)


def test_what_is_no_handle_is_refused_without_asking_the_storage() -> None:
    kept = FakeStorage(fault=Exception("the storage is down"))
    for text in ("", "x", ID, "é" * 22, "." + _SIGNATURE):
        with pytest.raises(DuckError, match="conversation_not_found"):
            conversations(kept=kept).opened(text)
    assert kept.calls == []


# -- In Dify's events ----------------------------------------------------------------------------------------------


def shown_in(*dicts: Raw) -> list[Raw]:
    return list(conversations().shown_in(iter(dicts)))


def test_the_id_is_replaced_wherever_it_stands_in_an_event() -> None:
    def raw(conversation: str) -> Raw:
        return {
            "event": "node_finished",
            "conversation_id": conversation,
            "data": {
                "inputs": {"sys.conversation_id": conversation, "n": 1, "none": None, "flag": True},
                "outputs": {"text": f"see /c/{conversation}?x={conversation}.", "items": [[conversation], {"a": 1.5}]},
                "process_data": json.dumps({"conversation_id": conversation}),
            },
        }

    assert shown_in(raw(ID)) == [raw(HANDLE)]


def test_an_event_without_the_id_has_it_replaced_once_it_is_known() -> None:
    first, later = {"event": "workflow_started", "conversation_id": ID}, {"event": "node_started", "data": {"x": [ID]}}
    shown = shown_in(first, later)
    assert shown == [{**first, "conversation_id": HANDLE}, {"event": "node_started", "data": {"x": [HANDLE]}}]


def test_a_text_is_left_as_the_app_wrote_it() -> None:
    raw = {"event": "message", "conversation_id": ID, "answer": "tok0", "id": "m"}
    assert shown_in(raw) == [{**raw, "conversation_id": HANDLE}]


def test_an_event_whose_name_is_no_text_is_searched_like_any_other() -> None:
    assert shown_in({"event": ["x"], "conversation_id": ID}) == [{"event": ["x"], "conversation_id": HANDLE}]


def test_a_run_without_a_conversation_is_left_as_it_is() -> None:
    dicts = RUNS["workflow-two-strings"].dicts
    assert shown_in(*dicts) == list(dicts)


def test_difys_own_dict_is_never_changed() -> None:
    raw = {"event": "node_finished", "conversation_id": ID, "data": {"x": [ID]}}
    before = json.dumps(raw)
    shown_in(raw)
    assert json.dumps(raw) == before


@given(
    st.recursive(
        st.just(ID) | st.integers() | st.none() | st.text(max_size=3).map(lambda text: f"{text}{ID}{text}"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_the_id_never_leaves_however_deep_it_is(value: Any) -> None:
    (shown,) = shown_in({"event": "node_finished", "conversation_id": ID, "data": value})
    assert ID not in json.dumps(shown)


# -- In every reply ------------------------------------------------------------------------------------------------

OK: Final = 200
FIRST_KEY: Final = "the-first-long-key"
SECOND_KEY: Final = "the-second-long-key"
FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "SSE": ("/chat/app", "text/event-stream"),
    "NDJSON": ("/chat/app", "application/x-ndjson"),
    "text": ("/chat/app", "text/plain"),
    "JSON": ("/chat/app", "application/json"),
    "duck": ("/duck/app", ""),
}
_KINDS: Final = {"chat": Kind.CHAT, "agent-chat": Kind.AGENT, "advanced-chat": Kind.CHATFLOW}


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies end at once; the pauses at their end are tests' of the streaming."""
    monkeypatch.setattr("gateway.streaming.MIN_STREAM", 0.0)
    monkeypatch.setattr("gateway.streaming.HOLD_SHARE", 0.0)


def respond(dify: FakeDify, form: str, key: str = FIRST_KEY, conversation_id: str = "", **settings: str) -> Response:
    path, accept = FORMS[form]
    builder = EnvironBuilder(
        method="POST",
        path=path,
        json={"query": "hi", "conversation_id": conversation_id},
        headers=[("Authorization", f"Bearer {key}"), ("Accept", accept)],
    )
    raw = {"apps": f"app={APP}", "access_keys": FIRST_KEY, **settings}
    return serve.handle(dify.session(), Request(builder.get_environ()), raw, None)


def all_of(response: Response) -> str:
    """Everything that leaves: status line, headers, body."""
    chunks: Any = response.response
    body = b"".join(chunk if isinstance(chunk, bytes) else chunk.encode() for chunk in chunks)
    return f"{response.status}\n{response.headers}\n{body.decode()}"


def ids_of(run: Recording) -> set[str]:
    """Dify's conversations in a run; those made by hand have names of one letter."""
    return {raw["conversation_id"] for raw in run.dicts if len(raw.get("conversation_id") or "") == len(ID)}


def _end(run: Recording) -> Iterator[Exception]:
    if run.exception:
        yield Exception(run.exception)


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("run", [run for run in RUNS.values() if ids_of(run)], ids=lambda run: run.name)
def test_no_reply_holds_difys_own_id(run: Recording) -> None:
    dify = FakeDify({APP: FakeApp(_KINDS.get(run.mode, Kind.CHAT), dicts=(*run.dicts, *_end(run)))})
    own = ids_of(run)
    handles = {conversations(Holder(dify.endpoint_id, "default", "", APP), dify.storage).shown(given) for given in own}
    for level in Detail:
        for form in FORMS:
            response = respond(dify, form, detail=level.name.lower())
            said = all_of(response).lower()
            spellings = {spelling for given in own for spelling in (given, given.replace("-", ""))}
            assert (level, form, [text for text in spellings if text in said]) == (level, form, [])
            if response.status_code == OK:
                assert (level, form, [handle for handle in handles if handle.lower() not in said]) == (level, form, [])


def conversation_of(response: Response) -> str:
    """The handle in the reply's header; the reply is read to its end."""
    all_of(response)
    return response.headers["X-Conversation-Id"]


def chat() -> FakeDify:
    return FakeDify({APP: FakeApp(Kind.CHAT, conversations=frozenset({ID}))})


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("form", FORMS)
def test_a_conversation_goes_on_with_its_handle_and_dify_gets_its_own_id(form: str) -> None:
    dify = chat()
    handle = conversation_of(respond(dify, form))
    assert FORM.fullmatch(handle)
    again = respond(dify, form, conversation_id=handle)
    assert (again.status_code, conversation_of(again)) == (200, handle)
    assert [request["conversation_id"] for _, request in dify.calls] == [None, ID]


@pytest.mark.usefixtures("_fast")
def test_a_handle_outlives_its_callers_key() -> None:
    dify = chat()
    old = respond(dify, "SSE", key=FIRST_KEY, access_keys=f"web={FIRST_KEY}")
    new = respond(dify, "SSE", SECOND_KEY, conversation_of(old), access_keys=f"web={SECOND_KEY}")
    assert (new.status_code, conversation_of(new)) == (200, conversation_of(old))


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("form", FORMS)
def test_another_callers_handle_and_difys_id_are_a_404_before_dify_is_asked(form: str) -> None:
    dify = chat()
    keys = f"web={FIRST_KEY}, mobile={SECOND_KEY}"
    handle = conversation_of(respond(dify, form, access_keys=keys))
    asked, calls = list(dify.asked), list(dify.calls)
    for named in (handle, ID, ID.upper(), "nonsense"):
        response = respond(dify, form, SECOND_KEY, named, access_keys=keys)
        assert (response.status_code, "conversation_not_found" in all_of(response)) == (404, True)
    assert (dify.asked, dify.calls) == (asked, calls)


@pytest.mark.usefixtures("_fast")
def test_with_plain_ids_callers_see_and_send_difys_own() -> None:
    dify = chat()
    assert conversation_of(respond(dify, "SSE", conversation_ids="plain")) == ID
    assert respond(dify, "SSE", conversation_id=ID, conversation_ids="plain").status_code == 200
    assert respond(dify, "SSE", conversation_id=HANDLE, conversation_ids="plain").status_code == 404


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("form", FORMS)
def test_a_chat_without_the_storage_is_a_503_and_never_a_reply_without_a_handle(form: str) -> None:
    dify = chat()
    dify.storage.fault = Exception("the storage is down")
    response = respond(dify, form)
    assert (response.status_code, "storage_unavailable" in all_of(response)) == (503, True)
    assert dify.calls == []


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("form", FORMS)
def test_a_workflow_needs_no_storage(form: str) -> None:
    dify = FakeDify({APP: FakeApp(Kind.WORKFLOW, dicts=RUNS["workflow-two-strings"].dicts)})
    dify.storage.fault = Exception("the storage is down")
    assert respond(dify, form, apps=f"{{app: {{app_id: {APP}, kind: workflow, query: q}}}}").status_code == 200
    assert dify.storage.calls == []

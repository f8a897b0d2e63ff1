"""Dify's routes over a transport that keeps what it is asked; its replies are the Service API's own, as recorded."""

import io
import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import pytest
from werkzeug import Request, Response
from werkzeug.test import EnvironBuilder

from gateway import dify_routes
from gateway.call import AppCall
from gateway.conversations import Conversations
from gateway.detail import Detail
from gateway.dify_routes import DifyCall, user_of
from gateway.errors import DuckError
from gateway.events import Kind, Raw
from gateway.kinds import Kinds
from gateway.protocols.dify.paths import TABLE, Reach
from gateway.seals import Holder, Seals
from gateway.secret import KEY, SIZE
from gateway.settings import App
from gateway.transports.service.client import Upload
from gateway.transports.service.info import AppInfo, info_of
from gateway.transports.service_api import Reply, ServiceApiTransport
from gateway.transports.storage import SessionStorage
from gateway.view import View
from tests.gateway.fake_dify import FakeDify, FakeStorage

SERVICE: Final = Path(__file__).resolve().parents[2] / "recordings" / "service"
APP: Final = App("support", "11111111-1111-4111-8111-111111111111")
HOLDER: Final = Holder("the-endpoint", "web", "", APP.app_id)
ORIGIN: Final = "https://dify.example"
ID: Final = "fbd966e1-9f06-4fa8-9e4a-59100c620363"
OTHER_ID: Final = "c86d5c15-88ed-4048-87cf-75e43ccb3e0e"
SECRET: Final = bytes(range(SIZE))


def recorded(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SERVICE / f"{name}.json").read_text("utf-8"))
    return body


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint's secret is known yet, and no app's kind."""
    monkeypatch.setattr("gateway.secret._known", {})
    monkeypatch.setattr(dify_routes, "LEARNT", Kinds())


@dataclass
class FakeTransport:
    """An app's Service API. replies: by method and path. asked: what came, in order. failure: what all else raises."""

    replies: Mapping[tuple[str, str], Reply] = field(default_factory=dict)
    told: Raw = field(default_factory=lambda: recorded("parameters.chat"))
    about: Raw = field(default_factory=lambda: recorded("info.chat"))
    has_app_key: bool = True
    failure: DuckError | None = None
    is_local: bool = True
    max_silence: float = 250.0
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def kind(self) -> Kind | None:
        return self.info().kind if self.has_app_key else None

    def info(self) -> AppInfo:
        return info_of(self.about)

    def parameters(self, app_id: str) -> Raw:
        assert app_id == APP.app_id
        if self.failure:
            raise self.failure
        return self.told

    def upload(self, filename: str, content: bytes, mime_type: str) -> str:
        raise NotImplementedError

    def start(self, call: AppCall, kind: Kind | None) -> Generator[Raw]:
        raise NotImplementedError

    def stop(self, kind: Kind, task_id: str) -> None:
        self.asked.append(("stop", kind, task_id))

    def forward(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        file: Upload | None = None,
    ) -> Reply:
        self.asked.append((method, path, *(part for part in (params, members, file) if part is not None)))
        if self.failure:
            raise self.failure
        return self.replies[method, path]


def said(body: object, status: int = 200) -> Reply:
    return Reply(status, "application/json", json.dumps(body).encode())


def storage() -> SessionStorage:
    return SessionStorage(FakeDify({}, storage=FakeStorage({KEY: SECRET})).session())


def seals(holder: Holder = HOLDER) -> Seals:
    return Seals(holder, storage(), "")


def handle(conversation_id: str, holder: Holder = HOLDER) -> str:
    return Conversations(holder, storage(), is_sealed=True).shown(conversation_id)


def request(method: str, path: str, **more: Any) -> Request:
    return Request(EnvironBuilder(method=method, path=path, **more).get_environ())


def call_of(
    asked: Request,
    transport: FakeTransport,
    *,
    detail: Detail = Detail.FULL,
    is_sealed: bool = True,
    is_listed: bool = True,
    app: App = APP,
) -> DifyCall:
    return DifyCall(
        asked,
        HOLDER.endpoint_id,
        app,
        is_listed,
        transport,
        cast(ServiceApiTransport, transport) if transport.has_app_key else None,
        seals(),
        Conversations(HOLDER, storage(), is_sealed=is_sealed),
        View(detail, ORIGIN, "", splits_thinking=False, model=app.alias, now=1_790_000_000),
    )


def answered(asked: Request, transport: FakeTransport, **more: Any) -> Response:
    return dify_routes.answer(call_of(asked, transport, **more))


def refused(asked: Request, transport: FakeTransport, **more: Any) -> DuckError:
    with pytest.raises(DuckError) as caught:
        answered(asked, transport, **more)
    return caught.value


def body_of(response: Response) -> Any:
    assert response.content_type == "application/json; charset=utf-8"
    return json.loads(response.get_data())


# -- Which paths ---------------------------------------------------------------------------------------------------

_RUNS: Final = {"/chat-messages", "/completion-messages", "/workflows/run"}
_ROUTES: Final = [
    (method, listed.path)
    for listed in TABLE
    if listed.reach is not Reach.NONE and listed.path not in _RUNS
    for method in listed.methods
]


def test_every_path_that_is_promised_is_served_here_but_the_runs() -> None:
    assert {*dify_routes._OF_AN_APP, *dify_routes._OF_A_CALLER} == set(_ROUTES)


@pytest.mark.parametrize("listed", [listed for listed in TABLE if listed.reach is Reach.NONE], ids=lambda it: it.path)
def test_a_path_that_is_not_served_says_why(listed: Any) -> None:
    transport = FakeTransport()
    error = refused(request((listed.methods or ("GET",))[0], f"/v1{listed.path}"), transport)
    assert (error.code, listed.why in error.message, transport.asked) == ("not_found", True, [])


@pytest.mark.parametrize(("method", "path"), list(dify_routes._OF_A_CALLER))
def test_what_needs_the_apps_key_says_so_without_one(method: str, path: str) -> None:
    error = refused(request(method, f"/v1{path}"), FakeTransport(has_app_key=False))
    assert (error.status, error.remedy) == (404, "Its operator puts one into dify_api_keys.")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/parameters"), ("GET", "/v1/models"), ("PUT", "/v1/messages")]
)
def test_what_is_none_of_these_routes_is_a_404(method: str, path: str) -> None:
    assert refused(request(method, path), FakeTransport()).code == "not_found"


SEALED: Final[Mapping[str, tuple[str, str, dict[str, Any]]]] = {
    "stop a chat": ("POST", "/v1/chat-messages/{}/stop", {}),
    "stop a completion": ("POST", "/v1/completion-messages/{}/stop", {}),
    "stop a workflow": ("POST", "/v1/workflows/tasks/{}/stop", {}),
    "delete a conversation": ("DELETE", "/v1/conversations/{}", {}),
    "name a conversation": ("POST", "/v1/conversations/{}/name", {"json": {"name": "x"}}),
    "list after a conversation": ("GET", "/v1/conversations?last_id={}", {}),
    "list a conversation": ("GET", "/v1/messages?conversation_id={}", {}),
    "rate a message": ("POST", "/v1/messages/{}/feedbacks", {"json": {"rating": "like"}}),
    "ask for suggestions": ("GET", "/v1/messages/{}/suggested", {}),
    "a run's detail": ("GET", "/v1/workflows/run/{}", {}),
}
OTHERS: Final = Holder("the-endpoint", "mobile", "", APP.app_id)


@pytest.mark.parametrize("route", SEALED.values(), ids=SEALED)
def test_an_id_that_the_caller_was_not_given_is_a_404_and_dify_is_not_asked(
    route: tuple[str, str, dict[str, Any]],
) -> None:
    method, path, more = route
    theirs = [handle(ID, OTHERS), *(seals(OTHERS).sealed(kind, ID) for kind in ("task", "message", "file", "run"))]
    for id_ in (ID, "nonsense", "..", *theirs):
        transport = FakeTransport()
        error = refused(request(method, path.format(id_), **more), transport)
        assert (id_, error.status, error.code.endswith("not_found"), transport.asked) == (id_, 404, True, [])


def test_another_message_that_is_not_the_callers_is_a_404_and_dify_is_not_asked() -> None:
    for asked in (
        request("GET", f"/v1/messages?conversation_id={handle(ID)}&first_id={ID}"),
        request("POST", "/v1/text-to-audio", json={"message_id": ID, "text": "hi"}),
    ):
        transport = FakeTransport()
        assert (refused(asked, transport).code, transport.asked) == ("not_found", [])


def test_an_error_of_difys_is_passed_on() -> None:
    failure = DuckError("conversation_not_found", "It has gone.")
    transport = FakeTransport(failure=failure)
    assert refused(request("DELETE", f"/v1/conversations/{handle(ID)}"), transport) is failure


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'"x"', b"\xff"])
def test_a_reply_that_is_no_object_is_a_failure(body: bytes) -> None:
    transport = FakeTransport({("GET", "/conversations"): Reply(200, "application/json", body)})
    assert refused(request("GET", "/v1/conversations"), transport).code == "misconfigured"


# -- The user ------------------------------------------------------------------------------------------------------

USERS: Final[Mapping[str, tuple[Request, str]]] = {
    "in the query string": (request("GET", "/v1/messages?user=ann"), "ann"),
    "in a JSON body": (request("POST", "/v1/x", json={"user": "ann"}), "ann"),
    "in the JSON body of a DELETE": (request("DELETE", "/v1/x", json={"user": "ann"}), "ann"),
    "in a form": (request("POST", "/v1/x", data={"user": "ann", "file": (io.BytesIO(b"x"), "a.txt")}), "ann"),
    "in the query string of a POST": (request("POST", "/v1/x?user=ann", json={"user": ""}), "ann"),
    "in the query string of a DELETE without a body": (request("DELETE", "/v1/x?user=ann"), "ann"),
    "a number": (request("POST", "/v1/x", json={"user": 7}), "7"),
    "nowhere": (request("POST", "/v1/x", json={}), ""),
    "nowhere in a query string": (request("GET", "/v1/messages"), ""),
    "null": (request("POST", "/v1/x", json={"user": None}), ""),
}


@pytest.mark.parametrize(("asked", "user"), USERS.values(), ids=USERS)
def test_the_user_is_found_wherever_it_stands(asked: Request, user: str) -> None:
    assert user_of(asked) == user


@pytest.mark.parametrize("given", [True, ["ann"], {"name": "ann"}, 1.5])
def test_a_user_that_is_no_name_is_a_400(given: object) -> None:
    with pytest.raises(DuckError, match="invalid_request"):
        user_of(request("POST", "/v1/x", json={"user": given}))


# -- What an app is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_app_key", [True, False])
def test_the_parameters_are_told_by_any_way_without_the_moderations_settings(*, has_app_key: bool) -> None:
    transport = FakeTransport(told=recorded("parameters.chat-mod"), has_app_key=has_app_key)
    told = body_of(answered(request("GET", "/apps/support/v1/parameters"), transport))
    assert told["user_input_form"] == transport.told["user_input_form"]
    assert "BLOCKED" not in json.dumps(told)
    assert told["system_parameters"] == transport.told["system_parameters"]


def test_info_site_and_meta_are_difys_own_by_the_apps_key() -> None:
    replies = {("GET", f"/{name}"): said(recorded(f"{name}.agent-chat")) for name in ("site", "meta")}
    transport = FakeTransport(replies, about=recorded("info.agent-chat"))
    told = {name: body_of(answered(request("GET", f"/v1/{name}"), transport)) for name in ("info", "site", "meta")}
    assert told["info"] == recorded("info.agent-chat")
    assert told["site"] == recorded("site.agent-chat")
    assert set(told["meta"]["tool_icons"]) == set(recorded("meta.agent-chat")["tool_icons"])
    assert "tenant_id" not in json.dumps(told["meta"])


def test_without_a_key_info_site_and_meta_say_what_is_known() -> None:
    transport = FakeTransport(has_app_key=False)
    app = App("report", APP.app_id, Kind.WORKFLOW)
    told = [body_of(answered(request("GET", f"/v1/{name}"), transport, app=app)) for name in ("info", "site", "meta")]
    assert (told[0]["name"], told[0]["mode"], told[1]["title"], told[2]) == (
        "report",
        "workflow",
        "report",
        {"tool_icons": {}},
    )
    assert transport.asked == []


@pytest.mark.parametrize("name", ["parameters", "info", "site", "meta"])
def test_an_app_that_nobody_listed_and_dify_does_not_know_is_a_404(name: str) -> None:
    transport = FakeTransport(has_app_key=False, failure=DuckError("dify_error", "data is nil"))
    assert refused(request("GET", f"/v1/{name}"), transport, is_listed=False).code == "app_not_found"


def test_a_listed_app_whose_parameters_dify_does_not_tell_is_difys_failure() -> None:
    transport = FakeTransport(has_app_key=False, failure=DuckError("dify_error", "data is nil"))
    assert refused(request("GET", "/v1/parameters"), transport).code == "dify_error"


def test_a_head_is_answered_as_a_get() -> None:
    assert answered(request("HEAD", "/v1/parameters"), FakeTransport()).status_code == 200


# -- Stopping ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/chat-messages/{}/stop", Kind.CHAT),
        ("/v1/completion-messages/{}/stop", Kind.COMPLETION),
        ("/v1/workflows/tasks/{}/stop", Kind.WORKFLOW),
        ("/apps/support/v1/workflows/tasks/{}/stop/", Kind.WORKFLOW),
    ],
)
def test_a_run_of_the_callers_is_stopped(path: str, kind: Kind) -> None:
    transport = FakeTransport(about={**recorded("info.chat"), "mode": str(kind)})
    response = answered(request("POST", path.format(seals().sealed("task", ID)), json={"user": "ann"}), transport)
    assert (body_of(response), transport.asked) == ({"result": "success"}, [("stop", kind, ID)])


def test_a_run_of_a_text_generator_is_not_stopped_for_another_app() -> None:
    transport = FakeTransport()
    path = f"/v1/completion-messages/{seals().sealed('task', ID)}/stop"
    with pytest.raises(DuckError) as refusal:
        answered(request("POST", path, json={"user": "ann"}), transport)
    assert (refusal.value.code, refusal.value.status, transport.asked) == ("wrong_app_kind", 400, [])


# -- Conversations and messages ------------------------------------------------------------------------------------


def test_conversations_are_listed_with_handles() -> None:
    listed = recorded("chat-conv.conversations")
    transport = FakeTransport({("GET", "/conversations"): said(listed)})
    asked = request("GET", f"/v1/conversations?last_id={handle(ID)}&limit=20&sort_by=-created_at&user=ann&x=1")
    told = body_of(answered(asked, transport))
    assert told == {**listed, "data": [{**item, "id": handle(item["id"])} for item in listed["data"]]}
    params = {"limit": "20", "sort_by": "-created_at", "last_id": ID}
    assert transport.asked == [("GET", "/conversations", params)]


def test_with_plain_ids_conversations_are_listed_as_dify_names_them() -> None:
    transport = FakeTransport({("GET", "/conversations"): said(recorded("chat-conv.conversations"))})
    asked = request("GET", f"/v1/conversations?last_id={ID}")
    assert body_of(answered(asked, transport, is_sealed=False)) == recorded("chat-conv.conversations")


def test_a_conversation_is_deleted() -> None:
    transport = FakeTransport({("DELETE", f"/conversations/{ID}"): Reply(204, "application/json", b"")})
    response = answered(request("DELETE", f"/v1/conversations/{handle(ID)}"), transport)
    assert (response.status_code, response.get_data(), "Content-Type" in response.headers) == (204, b"", False)


@pytest.mark.parametrize("members", [{"name": "Mine"}, {"auto_generate": True}, {"name": None}])
def test_a_conversation_is_named(members: dict[str, Any]) -> None:
    named = recorded("chat-conv.rename")
    transport = FakeTransport({("POST", f"/conversations/{ID}/name"): said(named)})
    asked = request("POST", f"/v1/conversations/{handle(ID)}/name", json={**members, "user": "bob", "x": 1})
    assert body_of(answered(asked, transport)) == {**named, "id": handle(named["id"])}
    assert transport.asked == [("POST", f"/conversations/{ID}/name", members)]


def messages(listed: Raw, **more: Any) -> Any:
    transport = FakeTransport({("GET", "/messages"): said(listed)})
    return body_of(answered(request("GET", f"/v1/messages?conversation_id={handle(ID)}"), transport, **more))


def test_messages_are_listed_with_sealed_ids() -> None:
    listed = recorded("chat-conv.messages")
    transport = FakeTransport({("GET", "/messages"): said(listed)})
    first = seals().sealed("message", OTHER_ID)
    asked = request("GET", f"/v1/messages?conversation_id={handle(ID)}&first_id={first}&limit=5&user=ann")
    told = body_of(answered(asked, transport))
    assert transport.asked == [("GET", "/messages", {"limit": "5", "conversation_id": ID, "first_id": OTHER_ID})]
    assert told == {
        **listed,
        "data": [
            {**item, "id": seals().sealed("message", item["id"]), "conversation_id": handle(item["conversation_id"])}
            for item in listed["data"]
        ],
    }


def test_messages_of_no_conversation_are_a_400() -> None:
    assert refused(request("GET", "/v1/messages?user=ann"), FakeTransport()).code == "invalid_request"


STORED: Final = sorted(path.name.removesuffix(".json") for path in SERVICE.glob("*.stored-messages.json"))


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("detail", Detail)
def test_a_recorded_message_keeps_its_members_and_says_what_was_asked_and_answered(name: str, detail: Detail) -> None:
    listed = recorded(name)
    told = messages(listed, detail=detail)
    for shown, raw in zip(told["data"], listed["data"], strict=True):
        assert list(shown) == list(raw)
        assert (shown["query"], shown["answer"]) == (raw["query"], raw["answer"])
        texts = json.dumps({**shown, "query": "", "answer": ""})
        assert [id_ for id_ in (raw["id"], raw["conversation_id"]) if id_ in texts] == []


def rich_message() -> dict[str, Any]:
    """A message with all that can be in one."""
    file = {"id": OTHER_ID, "type": "image", "url": f"/files/{OTHER_ID}/file-preview", "upload_file_id": OTHER_ID}
    thought = {"id": "t", "message_id": ID, "thought": "hm", "tool": "search", "tool_input": "IN", "observation": "OUT"}
    return {
        **recorded("chatflow-kb.stored-messages")["data"][0],
        "id": ID,
        "parent_message_id": OTHER_ID,
        "inputs": {"secret": "INPUT"},
        "agent_thoughts": [{**thought, "files": [OTHER_ID]}],
        "message_files": [{**file, "transfer_method": "local_file", "belongs_to": "user"}],
        "total_price": "0.12",
        "error": '{"args": {"description": "the tool broke"}, "error_type": "InvokeError"}',
    }


HIDDEN: Final = ("INPUT", "IN", "OUT", "0.12", "alice@example.com")


@pytest.mark.parametrize(
    ("detail", "seen", "thoughts"),
    [(Detail.ANSWER, (), 0), (Detail.PROGRESS, (), 1), (Detail.FULL, HIDDEN, 1)],
)
def test_what_a_message_holds_beside_its_answer_leaves_at_full_only(
    detail: Detail, seen: tuple[str, ...], thoughts: int
) -> None:
    (told,) = messages({"limit": 20, "has_more": False, "data": [rich_message()]}, detail=detail)["data"]
    text = json.dumps(told)
    assert tuple(word for word in HIDDEN if word in text) == seen
    assert [thought["tool"] for thought in told["agent_thoughts"]] == ["search"] * thoughts
    assert [source["document_name"] for source in told["retriever_resources"]] == ["handbook 手册.txt"] * 3
    assert told["parent_message_id"] == seals().sealed("message", OTHER_ID)
    (file,) = told["message_files"]
    assert (file["id"], file["url"]) == (
        seals().sealed("file in a value", OTHER_ID),
        f"{ORIGIN}/files/{OTHER_ID}/file-preview",
    )
    assert (ID in text, "the tool broke" in told["error"], "InvokeError" in text) == (False, True, False)
    assert {name: type(value) for name, value in told.items()} == {
        name: type(value) for name, value in rich_message().items()
    }


def test_an_agents_files_are_sealed_in_its_thoughts() -> None:
    (told,) = messages({"data": [rich_message()]})["data"]
    assert told["agent_thoughts"][0]["files"] == [seals().sealed("file", OTHER_ID)]


def message_with(**members: Any) -> dict[str, Any]:
    return {"data": [{**recorded("chat-conv.messages")["data"][0], **members}]}


def test_a_link_in_an_answer_leads_to_dify_and_the_callers_own_text_stays() -> None:
    link = f"[a](/files/{ID}/file-preview)"
    (told,) = messages(message_with(query=link, answer=link))["data"]
    assert (told["query"], told["answer"]) == (link, f"[a]({ORIGIN}/files/{ID}/file-preview)")


@pytest.mark.parametrize(("detail", "is_told"), [(Detail.ANSWER, False), (Detail.PROGRESS, True)])
def test_why_a_message_failed_is_told_from_progress_on(detail: Detail, *, is_told: bool) -> None:
    (told,) = messages(message_with(status="error", error="Node Search broke"), detail=detail)["data"]
    assert told["error"].startswith("The app failed while it was running.")
    assert ("Node Search broke" in told["error"]) is is_told


@pytest.mark.parametrize("members", [{"rating": "like", "content": "good"}, {"rating": None}])
def test_a_message_is_rated(members: dict[str, Any]) -> None:
    transport = FakeTransport({("POST", f"/messages/{ID}/feedbacks"): said(recorded("chat-conv.feedback-like"))})
    path = f"/v1/messages/{seals().sealed('message', ID)}/feedbacks"
    response = answered(request("POST", path, json={**members, "user": "bob"}), transport)
    assert body_of(response) == recorded("chat-conv.feedback-like")
    assert transport.asked == [("POST", f"/messages/{ID}/feedbacks", members)]


def test_questions_are_suggested() -> None:
    transport = FakeTransport({("GET", f"/messages/{ID}/suggested"): said(recorded("chat-conv.suggested"))})
    response = answered(request("GET", f"/v1/messages/{seals().sealed('message', ID)}/suggested"), transport)
    assert body_of(response) == recorded("chat-conv.suggested")


# -- A run's detail ------------------------------------------------------------------------------------------------

DETAIL: Final = recorded("workflow-run-detail")


def run_detail(raw: Raw = DETAIL, mode: str = "workflow", **more: Any) -> Any:
    transport = FakeTransport({("GET", f"/workflows/run/{raw['id']}"): said(raw)}, about=recorded(f"info.{mode}"))
    asked = request("GET", f"/v1/workflows/run/{seals().sealed('run', raw['id'])}")
    return body_of(answered(asked, transport, **more))


def test_a_runs_detail_at_full_is_difys_but_for_its_id() -> None:
    sealed = seals().sealed("run", DETAIL["id"])
    told = run_detail()
    assert json.loads(told.pop("inputs")) == json.loads(DETAIL["inputs"].replace(DETAIL["id"], sealed))
    assert told == {name: value for name, value in {**DETAIL, "id": sealed}.items() if name != "inputs"}


@pytest.mark.parametrize("detail", [Detail.ANSWER, Detail.PROGRESS])
def test_below_full_a_run_tells_its_outputs_and_not_its_inputs(detail: Detail) -> None:
    told = run_detail(detail=detail)
    assert (told["inputs"], told["outputs"], told["status"]) == ("{}", DETAIL["outputs"], "succeeded")


def test_files_among_a_runs_inputs_are_sealed() -> None:
    file = {"transfer_method": "local_file", "related_id": OTHER_ID}
    told = run_detail({**DETAIL, "inputs": json.dumps({"sys.files": [file]})})
    assert json.loads(told["inputs"]) == {
        "sys.files": [{**file, "related_id": seals().sealed("file in a value", OTHER_ID)}]
    }


@pytest.mark.parametrize(("detail", "outputs"), [(Detail.PROGRESS, {}), (Detail.FULL, DETAIL["outputs"])])
def test_a_chatflows_outputs_which_no_moderation_has_seen_leave_at_full_only(detail: Detail, outputs: Raw) -> None:
    assert run_detail(mode="chatflow", detail=detail)["outputs"] == outputs


@pytest.mark.parametrize("inputs", ["not json", "", None, {}])
def test_inputs_of_another_form_are_no_failure(inputs: object) -> None:
    assert run_detail({**DETAIL, "inputs": inputs})["status"] == "succeeded"


# -- Files and sound -----------------------------------------------------------------------------------------------


def form(content: bytes = b"hello world", filename: str = "doc.txt", mime: str = "text/plain", **more: Any) -> Request:
    data = {"file": (io.BytesIO(content), filename, mime), "user": "ann", **more}
    return request("POST", "/v1/files/upload", data=data)


def uploading(parameters: Raw | None = None) -> FakeTransport:
    replies = {("POST", "/files/upload"): said(recorded("files-upload"), 201)}
    return FakeTransport(replies, told=parameters or recorded("parameters.chat"))


@pytest.mark.parametrize(
    ("detail", "author"), [(Detail.ANSWER, ""), (Detail.FULL, recorded("files-upload")["created_by"])]
)
def test_a_file_is_uploaded_and_its_id_is_sealed(detail: Detail, author: str) -> None:
    transport = uploading()
    response = answered(form(), transport, detail=detail)
    raw = recorded("files-upload")
    changed = {"id": seals().sealed("file", raw["id"]), "tenant_id": None, "created_by": author}
    assert (response.status_code, body_of(response)) == (201, {**raw, **changed})
    assert transport.asked == [("POST", "/files/upload", Upload("doc.txt", b"hello world", "text/plain"))]


FAULTY: Final[Mapping[str, tuple[Callable[[], Request], str]]] = {
    "no file": (
        lambda: request("POST", "/v1/files/upload", data={"user": "ann", "x": (io.BytesIO(b"x"), "a")}),
        "invalid_request",
    ),
    "no form": (lambda: request("POST", "/v1/files/upload", json={"user": "ann"}), "unsupported_media_type"),
    "two files": (lambda: form(more=(io.BytesIO(b"x"), "b.txt")), "invalid_request"),
    "two files of the same name": (
        lambda: request("POST", "/v1/files/upload", data={"file": [(io.BytesIO(b"x"), "a"), (io.BytesIO(b"y"), "b")]}),
        "invalid_request",
    ),
    "a field in place of the file": (
        lambda: request("POST", "/v1/files/upload", data={"file": "x"}),
        "unsupported_media_type",
    ),
    "a file without a name": (lambda: form(filename=""), "invalid_request"),
}


@pytest.mark.parametrize(("asked", "code"), FAULTY.values(), ids=FAULTY)
def test_a_form_without_its_one_file_is_refused_before_dify_is_asked(asked: Callable[[], Request], code: str) -> None:
    transport = uploading()
    assert (refused(asked(), transport).code, transport.asked) == (code, [])


@pytest.mark.parametrize(
    ("filename", "size", "code"),
    [
        ("a.PNG", 1_048_576, ""),
        ("a.PNG", 1_048_577, "payload_too_large"),
        ("a.mp3", 1_048_577, ""),
        ("a.txt", 2_097_153, "payload_too_large"),
        ("a", 2_097_153, "payload_too_large"),
        ("a.mov", 2_097_153, ""),
    ],
)
def test_a_file_that_is_too_large_for_this_dify_is_not_sent(filename: str, size: int, code: str) -> None:
    limits = {"image_file_size_limit": 1, "file_size_limit": 2, "audio_file_size_limit": 3, "video_file_size_limit": 4}
    transport = uploading({"system_parameters": limits})
    asked = form(b"x" * size, filename)
    if code:
        assert (refused(asked, transport).code, transport.asked) == (code, [])
    else:
        assert answered(asked, transport).status_code == 201


def test_a_file_without_a_type_is_refused_before_dify_is_asked() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhi\r\n--b--\r\n'
    asked = request("POST", "/v1/files/upload", data=body, content_type="multipart/form-data; boundary=b")
    transport = uploading()
    assert (refused(asked, transport).status, transport.asked) == (415, [])


@pytest.mark.parametrize("parameters", [{"system_parameters": None}, {"system_parameters": {"file_size_limit": "5"}}])
def test_a_dify_that_tells_no_limit_judges_for_itself(parameters: Raw) -> None:
    assert answered(form(), uploading(parameters)).status_code == 201


def test_sound_becomes_text() -> None:
    transport = FakeTransport({("POST", "/audio-to-text"): said({"text": "hello", "other": "x"})})
    data = {"file": (io.BytesIO(b"\xff\xfb"), "a.mp3", "audio/mp3"), "user": "ann"}
    response = answered(request("POST", "/v1/audio-to-text", data=data), transport)
    assert body_of(response) == {"text": "hello"}
    assert transport.asked == [("POST", "/audio-to-text", Upload("a.mp3", b"\xff\xfb", "audio/mp3"))]


def test_what_is_no_sound_is_refused_before_dify_is_asked() -> None:
    transport = FakeTransport()
    data = {"file": (io.BytesIO(b"x"), "a.txt", "text/plain")}
    error = refused(request("POST", "/v1/audio-to-text", data=data), transport)
    assert (error.status, transport.asked) == (415, [])


def test_text_becomes_sound() -> None:
    sound = bytes(range(256)) * 8192
    transport = FakeTransport({("POST", "/text-to-audio"): Reply(200, "audio/mpeg", sound)})
    members = {"message_id": seals().sealed("message", ID), "text": "hi", "user": "bob", "streaming": False}
    response = answered(request("POST", "/v1/text-to-audio", json=members), transport)
    assert (response.content_type, b"".join(response.iter_encoded())) == ("audio/mpeg", sound)
    assert transport.asked == [("POST", "/text-to-audio", {"message_id": ID, "text": "hi", "streaming": False})]


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "", "image/svg+xml"])
def test_what_is_no_sound_is_not_passed_on(content_type: str) -> None:
    transport = FakeTransport({("POST", "/text-to-audio"): Reply(200, content_type, b"<script>")})
    assert refused(request("POST", "/v1/text-to-audio", json={"text": "x"}), transport).code == "misconfigured"

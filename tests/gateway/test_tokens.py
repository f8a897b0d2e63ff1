import base64
import json
import time
import zlib
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from werkzeug import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from gateway import serve
from gateway.access import TOKEN_PREFIX as PREFIX
from gateway.access import Caller, authenticate
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.secret import KEY as SECRET
from gateway.settings import App, parse
from gateway.tokens import MAX_LIFE, TokenRequest, Tokens
from gateway.transports.storage import SessionStorage
from tests.gateway.fake_dify import FakeApp, FakeDify, FakeStorage

KEY: Final = "a-long-enough-key"
OTHER_KEY: Final = "another-long-enough-key"
ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER_ID: Final = "22222222-2222-4222-8222-222222222222"
SETTINGS: Final[Mapping[str, Any]] = {
    "app": {"app_id": OTHER_ID},
    "aliases": "other",
    "apps": f"{{chat: {{app_id: {ID}, user: who}}}}",
    "access_keys": f"web={KEY}, mobile={OTHER_KEY}",
}
"""`other` is the default app; `chat` takes the user as an input."""

APPS: Final = {ID: FakeApp(Kind.CHAT), OTHER_ID: FakeApp(Kind.CHAT)}


def new_dify(**more: Any) -> FakeDify:
    return FakeDify(dict(APPS), **more)


def answer(
    dify: FakeDify,
    path: str,
    credential: str,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **members: Any,
) -> Response:
    """The response to a JSON body of these members."""
    headers = Headers({"Content-Type": "application/json", "Accept": "application/json"})
    if credential:
        headers["Authorization"] = f"Bearer {credential}"
    data = json.dumps(members).encode()
    builder = EnvironBuilder(method="POST", path=path, headers=headers, data=data)
    response = serve.handle(dify.session(), Request(builder.get_environ()), {**SETTINGS, **settings}, None)
    response.get_data()
    return response


def token_of(dify: FakeDify, credential: str = KEY, **members: Any) -> str:
    response = answer(dify, "/tokens", credential, **{"app": "chat", "user": "ann", **members})
    assert response.status_code == 200
    return str(content(response)["token"])


def chat(dify: FakeDify, credential: str, path: str = "/chat", **more: Any) -> Response:
    """What the app answers, if it is reached."""
    return answer(dify, path, credential, query="hi", **more)


def content(response: Response) -> Any:
    return json.loads(response.get_data())


def told(response: Response) -> tuple[int, str]:
    return response.status_code, content(response)["code"]


NOT_A_TOKEN: Final = (401, "unauthorized")


# -- A token's way -------------------------------------------------------------------------------------------------


def test_a_token_is_given_with_all_that_it_says_and_opens_its_app() -> None:
    dify = new_dify()
    before = int(time.time())
    response = answer(dify, "/tokens", KEY, app="chat", user="ann", expires_in=60)
    said = content(response)
    token, expires_at = said.pop("token"), said.pop("expires_at")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    assert said == {"token_type": "Bearer", "app": "chat", "user": "ann", "expires_in": 60}
    assert before + 60 <= expires_at <= int(time.time()) + 60
    assert (dify.asked, dify.calls) == ([], [])
    assert chat(dify, token).status_code == 200
    assert dify.calls[-1][1]["app_id"] == ID


@pytest.mark.parametrize("name", ["chat", ID, ID.upper(), ID.replace("-", "")])
def test_an_app_is_named_as_in_a_call(name: str) -> None:
    assert content(answer(new_dify(), "/tokens", KEY, app=name, user="ann"))["app"] == "chat"


def test_without_an_app_a_token_is_for_the_default_one() -> None:
    dify = new_dify()
    response = answer(dify, "/tokens", KEY, user="ann")
    assert (content(response)["app"], content(response)["expires_in"]) == ("other", 600)
    chat(dify, content(response)["token"])
    assert dify.calls[-1][1]["app_id"] == OTHER_ID


@given(
    name=st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    user=st.text(min_size=1, max_size=256),
    life=st.integers(1, MAX_LIFE),
)
@example(name="web", user="ann", life=1)
@example(name="web", user="\0\r\n\"\\'[]{}.,\u2028", life=1)
@example(name="web", user="a" * 256, life=1)
def test_a_token_says_what_it_was_made_for(name: str, user: str, life: int) -> None:
    settings = parse({**SETTINGS, "access_keys": f"{name}={KEY}"}) if name != "anonymous" else parse(SETTINGS)
    dify = new_dify()
    tokens = Tokens(dify.endpoint_id, SessionStorage(dify.session()), settings)
    token = tokens.issue(Caller(name), App("one", ID), user, int(time.time()) + 1 + life)
    assert tokens.caller(token) == (Caller(name, ID, "one", user) if name != "anonymous" else None)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


# -- Its time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "status"),
    [(-1e9, 200), (-0.001, 200), (0, 401), (0.001, 401), (1e9, 401)],
    ids=["long before", "just before", "at the end", "just after", "long after"],
)
def test_a_token_ends_at_its_time(seconds: float, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    dify = new_dify()
    said = content(answer(dify, "/tokens", KEY, app="chat", user="ann", expires_in=60))
    monkeypatch.setattr("gateway.tokens.time", SimpleNamespace(time=lambda: said["expires_at"] + seconds))
    assert chat(dify, said["token"]).status_code == status


def test_no_token_lives_longer_than_an_hour() -> None:
    assert MAX_LIFE == 3600


# -- What it is bound to -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/chat/other", f"/chat/{OTHER_ID}", "/chat/nowhere"])
def test_a_token_opens_no_other_app_and_does_not_tell_which_there_are(path: str) -> None:
    dify = new_dify()
    response = chat(dify, token_of(dify), path)
    assert told(response) == (404, "app_not_found")
    assert content(response)["detail"] == content(chat(dify, KEY, "/chat/nowhere"))["detail"]
    assert (dify.asked, dify.calls) == ([], [])


def test_under_workspace_a_token_still_opens_its_own_app_only() -> None:
    dify, settings = new_dify(), {"exposure": "workspace", "app": "", "aliases": "", "apps": ""}
    token = content(answer(dify, "/tokens", KEY, settings, app=ID, user="ann"))["token"]
    assert chat(dify, token, settings=settings).status_code == 200
    assert told(chat(dify, token, f"/chat/{OTHER_ID}", settings=settings)) == (404, "app_not_found")


def test_a_token_of_another_endpoint_is_none_in_the_same_workspace() -> None:
    dify = new_dify()
    neighbour = new_dify(storage=dify.storage)
    token = token_of(dify)
    assert told(chat(neighbour, token)) == NOT_A_TOKEN
    assert neighbour.calls == []
    assert chat(dify, token).status_code == 200


def test_a_token_of_another_workspace_is_none() -> None:
    dify = new_dify()
    stranger = new_dify(endpoint_id=f"{dify.endpoint_id}-of-another-workspace")
    token_of(stranger)  # it has a secret of its own
    assert told(chat(stranger, token_of(dify))) == NOT_A_TOKEN


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"access_keys": f"mobile={OTHER_KEY}"}, NOT_A_TOKEN, id="it has no key any more"),
        pytest.param({"access_keys": f"wed={KEY}"}, NOT_A_TOKEN, id="its key has another name"),
        pytest.param({"callers": "web(other)"}, (404, "app_not_found"), id="its scope has lost the app"),
        pytest.param({"callers": "web(chat"}, (500, "misconfigured"), id="its scope can't be read"),
        pytest.param({"apps": ""}, (404, "app_not_found"), id="the app is listed no more"),
        pytest.param({"access_keys": f"mobile={OTHER_KEY}", "access": "open"}, NOT_A_TOKEN, id="no key, and open"),
    ],
)
def test_a_token_ends_with_its_callers_right(settings: dict[str, str], expected: tuple[int, str]) -> None:
    dify = new_dify()
    token = token_of(dify)
    assert told(chat(dify, token, settings=settings)) == expected
    assert dify.calls == []


@pytest.mark.parametrize(
    "settings",
    [
        {"access_keys": f"web={KEY}-rotated"},
        {"callers": "web(chat)"},
        {"access": "open"},
    ],
    ids=["its key was rotated", "its scope holds the app", "access is open"],
)
def test_a_token_goes_on_while_its_caller_may_call_the_app(settings: dict[str, str]) -> None:
    dify = new_dify()
    assert chat(dify, token_of(dify), settings=settings).status_code == 200


def test_a_token_is_for_the_app_under_the_name_it_was_made_for() -> None:
    """Another name of the same app may have no input for the user."""
    dify = new_dify()
    renamed = {"app": "", "aliases": "", "apps": f"renamed={ID}"}
    assert told(chat(dify, token_of(dify), settings=renamed)) == (404, "app_not_found")


@pytest.mark.parametrize("sent", [{}, {"user": "eve"}, {"inputs": {"who": "eve"}}], ids=["nothing", "user", "an input"])
def test_a_tokens_user_is_not_for_its_holder_to_change(sent: dict[str, Any]) -> None:
    dify = new_dify()
    assert chat(dify, token_of(dify), **sent).status_code == 200
    assert dify.calls[-1][1]["inputs"] == {"who": "ann"}


def test_a_conversation_begun_with_a_token_is_its_users_only() -> None:
    conversation = "fbd966e1-9f06-4fa8-9e4a-59100c620363"
    dify = FakeDify({ID: FakeApp(Kind.CHAT, conversations=frozenset({conversation}))})
    token = token_of(dify)
    handle = chat(dify, token).headers["X-Conversation-Id"]
    assert chat(dify, token_of(dify), conversation_id=handle).status_code == 200
    strangers = (token_of(dify, user="eve"), token_of(dify, OTHER_KEY), KEY, OTHER_KEY)
    seen = [told(chat(dify, other, "/chat/chat", conversation_id=handle)) for other in strangers]
    assert seen == [(404, "conversation_not_found")] * 4


# -- Who can make one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["ann", "eve"])
def test_a_token_makes_no_token(user: str) -> None:
    dify = new_dify()
    assert told(answer(dify, "/tokens", token_of(dify), app="chat", user=user)) == (403, "forbidden")


def test_whoever_has_no_key_makes_no_token() -> None:
    dify = new_dify()
    assert told(answer(dify, "/tokens", "", {"access": "open"}, app="chat", user="ann")) == (403, "forbidden")
    assert told(answer(dify, "/tokens", "", app="chat", user="ann")) == NOT_A_TOKEN
    assert dify.storage.calls == []


@pytest.mark.parametrize("app", ["nowhere", "chat", ID, "../chat", ""])
def test_a_key_makes_no_token_for_an_app_out_of_its_scope(app: str) -> None:
    dify = new_dify()
    response = answer(dify, "/tokens", KEY, {"callers": "web(unknown)"}, app=app, user="ann")
    assert told(response) == (404, "app_not_found")
    assert dify.storage.calls == []


# -- What is asked for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "detail"),
    [
        ({}, "'user' must be given."),
        ({"user": ""}, "'user' must not be empty."),
        ({"user": "x" * 257}, "'user' is too long."),
        ({"user": 5}, "'user' must be a string."),
        ({"user": None}, "'user' must be a string."),
        ({"user": ["ann"]}, "'user' must be a string."),
        ({"user": "ann", "app": 5}, "'app' must be a string."),
        ({"user": "ann", "expires_in": 0}, "'expires_in' is too small."),
        ({"user": "ann", "expires_in": -1}, "'expires_in' is too small."),
        ({"user": "ann", "expires_in": 3601}, "'expires_in' is too large."),
        ({"user": "ann", "expires_in": 10**30}, "'expires_in' is too large."),
        ({"user": "ann", "expires_in": 60.0}, "'expires_in' must be a whole number."),
        ({"user": "ann", "expires_in": "60"}, "'expires_in' must be a whole number."),
        ({"user": "ann", "expires_in": True}, "'expires_in' must be a whole number."),
        ({"user": "ann", "expires_in": None}, "'expires_in' must be a whole number."),
        ({"user": "ann", "caller": "mobile"}, "'caller' is not known here."),
        ({"user": "ann", "expires_at": 9999999999}, "'expires_at' is not known here."),
    ],
)
def test_what_can_be_no_token_is_a_400_that_says_why(members: dict[str, Any], detail: str) -> None:
    dify = new_dify()
    response = answer(dify, "/tokens", KEY, **members)
    assert (told(response), content(response)["detail"]) == ((400, "invalid_request"), detail)
    assert dify.storage.calls == []


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"user": "a"}, (None, "a", 600)),
        ({"app": None, "user": "a"}, (None, "a", 600)),
        ({"app": "chat", "user": "x" * 256, "expires_in": 3600}, ("chat", "x" * 256, 3600)),
        ({"app": "", "user": " ", "expires_in": 1}, ("", " ", 1)),
    ],
    ids=["the least", "no app", "the most", "blanks"],
)
def test_a_token_request_is(members: dict[str, Any], expected: tuple[str | None, str, int]) -> None:
    asked = TokenRequest.model_validate(members)
    assert (asked.app, asked.user, asked.expires_in) == expected


@given(expires_in=st.integers() | st.floats() | st.booleans() | st.text(max_size=5))
def test_no_other_life_is_ever_granted(expires_in: object) -> None:
    try:
        asked = TokenRequest.model_validate({"user": "ann", "expires_in": expires_in})
    except ValidationError:
        return
    assert type(asked.expires_in) is int
    assert 1 <= asked.expires_in <= MAX_LIFE


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"", "application/json", (400, "invalid_request")),
        (b"[]", "application/json", (400, "invalid_request")),
        (b'{"user": "ann"', "application/json", (400, "invalid_request")),
        (b'{"user": "ann", "user": "eve"}', "application/json", (400, "invalid_request")),
        (b'{"user": "\\ud800"}', "application/json", (400, "invalid_request")),
        (b'{"user": "\xff"}', "application/json", (400, "invalid_request")),
        (b'{"user": "ann", "expires_in": NaN}', "application/json", (400, "invalid_request")),
        (b'{"user": ' + b"[" * 200 + b"]" * 200 + b"}", "application/json", (400, "invalid_request")),
        (b"user=ann", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (b"user=ann", "", (415, "unsupported_media_type")),
        (b'{"user": "ann"}', "application/json; charset=utf-16", (415, "unsupported_media_type")),
        (b" " * 10 * 1024 * 1024, "application/json", (413, "payload_too_large")),
    ],
    ids=[
        "nothing",
        "a list",
        "cut",
        "a name twice",
        "half a character",
        "no UTF-8",
        "NaN",
        "nested deep",
        "a form",
        "no type",
        "another charset",
        "too large",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(data: bytes, content_type: str, expected: tuple[int, str]) -> None:
    dify = new_dify()
    headers = Headers({"Authorization": f"Bearer {KEY}", **({"Content-Type": content_type} if content_type else {})})
    environ = EnvironBuilder(method="POST", path="/tokens", headers=headers, data=data).get_environ()
    assert told(serve.handle(dify.session(), Request(environ), SETTINGS, None)) == expected
    assert dify.storage.calls == []


# -- What is no token ----------------------------------------------------------------------------------------------


def opens(dify: FakeDify, text: str) -> bool:
    tokens = Tokens(dify.endpoint_id, SessionStorage(dify.session()), parse(SETTINGS))
    return tokens.caller(text) is not None


def test_no_part_of_a_token_is_one() -> None:
    dify = new_dify()
    token = token_of(dify)
    parts = [token[:end] for end in range(len(token))] + [token[begin:] for begin in range(1, len(token))]
    assert [part for part in parts if opens(dify, part)] == []


def test_no_token_with_another_character_in_any_place_is_one() -> None:
    dify = new_dify()
    token = token_of(dify)
    altered = [
        token[:place] + new + token[place + 1 :]
        for place in range(len(token))
        for new in "Ab0-_.="
        if new != token[place]
    ]
    assert [text for text in altered if opens(dify, text)] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda token: f"{token}=", id="padding"),
        pytest.param(lambda token: f"{token}\u00e9", id="no ASCII behind"),
        pytest.param(lambda token: f"{token}\u0410", id="a letter that only looks like one"),
        pytest.param(lambda token: f"{token}.", id="a dot behind"),
        pytest.param(lambda token: f"{token}\0", id="a zero behind"),
        pytest.param(lambda token: f"{token}\n", id="a newline behind"),
        pytest.param(lambda token: f"{token[:-1]}{chr(ord(token[-1]) + 1)}", id="bits that decode to nothing"),
        pytest.param(lambda token: PREFIX + token, id="the prefix twice"),
        pytest.param(lambda token: token.removeprefix(PREFIX), id="no prefix"),
        pytest.param(lambda token: token.upper(), id="capitals"),
        pytest.param(lambda token: token.replace("duck", "Duck"), id="another prefix"),
        pytest.param(lambda token: f"{token}{token.removeprefix(PREFIX)}", id="twice"),
        pytest.param(lambda token: ".".join(reversed(token.split("."))), id="parts the wrong way round"),
        pytest.param(lambda token: token.replace(".", "%2E"), id="as in an address"),
        pytest.param(lambda token: token.rpartition(".")[0] + ".", id="an empty signature"),
    ],
)
def test_a_token_written_otherwise_is_none(change: Any) -> None:
    dify = new_dify()
    token = token_of(dify)
    assert not opens(dify, change(token))
    assert opens(dify, token)


def test_tokens_that_swap_their_signatures_are_none() -> None:
    dify = new_dify()
    tokens = [token_of(dify), token_of(dify, user="eve"), token_of(dify, OTHER_KEY), token_of(dify, app="other")]
    swapped = [
        f"{one.rpartition('.')[0]}.{other.rpartition('.')[2]}" for one in tokens for other in tokens if one != other
    ]
    assert [text for text in swapped if opens(dify, text)] == []


def test_a_handle_is_no_token_and_a_token_is_no_handle() -> None:
    dify = new_dify()
    token = token_of(dify)
    handle = chat(dify, token).headers["X-Conversation-Id"]
    assert told(chat(dify, PREFIX + handle)) == NOT_A_TOKEN
    for text in (token, token.removeprefix(PREFIX)):
        assert told(chat(dify, KEY, conversation_id=text)) == (404, "conversation_not_found")


def test_nothing_is_unpacked_before_its_signature_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []
    dify = new_dify()
    signature = token_of(dify).rpartition(".")[2]
    bomb = base64.urlsafe_b64encode(zlib.compress(b"0" * 1_000_000, 9)).decode().rstrip("=")
    monkeypatch.setattr("itsdangerous.url_safe.zlib", SimpleNamespace(decompress=unpacked.append))
    for text in (
        f"{PREFIX}.{bomb}",
        f"{PREFIX}.{bomb}.",
        f"{PREFIX}.{bomb}.{signature}",
        f"{PREFIX}{bomb}.{signature}",
    ):
        assert told(chat(dify, text)) == NOT_A_TOKEN
    assert unpacked == []


@given(text=st.text(st.characters(codec="utf-8"), max_size=60) | st.text("abXY01-_.=", max_size=60).map(PREFIX.__add__))
@example(text=PREFIX)
@example(text=f"{PREFIX}.")
@example(text=f"{PREFIX}..")
def test_no_other_text_is_a_token(text: str) -> None:
    assert not opens(new_dify(), text)


@given(said=st.lists(st.none() | st.text(max_size=5) | st.integers(), max_size=6) | st.text(max_size=5))
def test_what_another_secret_has_signed_is_no_token(said: object) -> None:
    dify = new_dify()
    tokens = Tokens(dify.endpoint_id, SessionStorage(dify.session()), parse(SETTINGS))
    for secret in (b"", b"x" * 32):
        assert not opens(dify, PREFIX + tokens._serializer(secret).dumps(said))


@pytest.mark.parametrize("text", ["\udcff.x", "\ud800", "\u00e9.\u00e9"], ids=ascii)
@pytest.mark.parametrize("name", ["X-API-Key", "Authorization"])
def test_what_no_header_can_hold_is_a_401_too(text: str, name: str) -> None:
    dify, settings = new_dify(), parse(SETTINGS)
    tokens = Tokens(dify.endpoint_id, SessionStorage(dify.session()), settings)
    headers = Headers({name: f"{'Bearer ' if name == 'Authorization' else ''}{PREFIX}{text}"})
    with pytest.raises(DuckError, match="unauthorized"):
        authenticate(settings, headers, tokens.caller)


@pytest.mark.parametrize("credential", [KEY, OTHER_KEY, "no-key-of-this-endpoint", "eyJhbGciOiJub25lIn0.e30."])
def test_no_key_and_no_other_token_makes_duck_look_into_the_storage(credential: str) -> None:
    dify = new_dify()
    chat(dify, credential, "/chat/nowhere")
    assert dify.storage.calls == []


# -- Replicas and the storage --------------------------------------------------------------------------------------


@pytest.fixture
def begin_replica(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls what follows in a process that knows nothing yet; its memory, to go back to it."""

    def begin(memory: dict[str, Any] | None = None) -> dict[str, Any]:
        memory = {} if memory is None else memory
        monkeypatch.setattr("gateway.secret._known", memory)
        return memory

    return begin


def test_a_token_opens_its_app_on_every_replica(begin_replica: Any) -> None:
    dify = new_dify()
    begin_replica()
    token = token_of(dify)
    begin_replica()
    assert chat(dify, token).status_code == 200


def test_a_secret_that_another_replica_has_changed_is_found_at_the_next_look(
    begin_replica: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dify = new_dify()
    first = begin_replica()
    old = token_of(dify)
    dify.storage.values[SECRET] = b"n" * 32
    begin_replica()
    new = token_of(dify)
    begin_replica(first)
    assert told(chat(dify, new)) == NOT_A_TOKEN  # this replica has looked less than 10 s ago
    assert chat(dify, old).status_code == 200
    monkeypatch.setattr("gateway.secret.BETWEEN_REREADS", 0.0)
    assert chat(dify, new).status_code == 200
    assert told(chat(dify, old)) == NOT_A_TOKEN


def test_tokens_that_are_none_make_duck_look_into_the_storage_once_in_a_while() -> None:
    dify = new_dify()
    token = token_of(dify)
    before = len(dify.storage.calls)
    for number in range(20):
        assert told(chat(dify, f"{token}{number}")) == NOT_A_TOKEN
    assert len(dify.storage.calls) - before <= 1


@pytest.mark.parametrize("fault", [Exception("storage is full"), Exception("permission denied")], ids=str)
def test_without_the_storage_no_token_is_given_and_none_is_believed(fault: Exception) -> None:
    broken = new_dify(storage=FakeStorage(fault=fault))
    for response in (
        answer(broken, "/tokens", KEY, app="chat", user="ann"),
        chat(broken, token_of(new_dify())),
    ):
        assert told(response) == (503, "storage_unavailable")
        assert str(fault) not in response.get_data(as_text=True)
    assert broken.calls == []


@pytest.mark.parametrize("fault", [None, Exception("storage is full")], ids=["a storage", "a broken storage"])
def test_where_nobody_has_a_key_no_token_makes_duck_ask_anything(fault: Exception | None) -> None:
    dify = new_dify(storage=FakeStorage(fault=fault))
    assert told(chat(dify, f"{PREFIX}x.y", settings={"access_keys": ""})) == NOT_A_TOKEN
    assert dify.storage.calls == []


# -- What is told of it --------------------------------------------------------------------------------------------


def test_no_token_user_or_secret_is_logged_or_in_an_error(duck_log: pytest.LogCaptureFixture) -> None:
    dify = new_dify()
    token = token_of(dify, user="ann-whom-nobody-logs")
    errors = [
        chat(dify, token, "/chat/other"),
        chat(dify, f"{token}x"),
        answer(dify, "/tokens", token, app="chat", user="ann-whom-nobody-logs"),
        answer(dify, "/tokens", KEY, app="nowhere", user="ann-whom-nobody-logs"),
    ]
    assert [response.status_code for response in errors] == [404, 401, 403, 404]
    told_to_all = duck_log.text + "".join(f"{response.headers}{response.get_data(as_text=True)}" for response in errors)
    assert duck_log.messages
    for secret in (token, token.rpartition(".")[2], "ann-whom-nobody-logs", KEY, dify.storage.values[SECRET].hex()):
        assert secret not in told_to_all

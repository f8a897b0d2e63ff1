import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import settings
from gateway.detail import Detail
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.origins import Origins
from gateway.settings import (
    APP_SELECTORS,
    DEFAULT_MAX_STREAMS,
    MIN_KEY_LENGTH,
    OPEN_RATE,
    Access,
    AccessKey,
    App,
    ConversationIds,
    Exposure,
    Fault,
    MemoryMode,
    Rate,
    Scope,
    Service,
    Settings,
    ThinkTags,
    canonical_id,
    parse,
)
from tests.gateway.mutations import json_values

FORM: Final = Path(__file__).resolve().parents[2] / "group" / "duck.yaml"
ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER_ID: Final = "22222222-2222-4222-8222-222222222222"
THIRD_ID: Final = "33333333-3333-4333-8333-333333333333"
KEY: Final = "a-long-enough-key"

WRONG_MEMBERS: Final = (
    "apps, entry 1: takes app_id, kind, query, answer, user, transcript, instructions, title, about, each a text, and "
    "hook"
)
"""The fault of an entry of `apps` that says what no entry can say."""

FIELDS: Final = {field["name"]: field for field in yaml.safe_load(FORM.read_text("utf-8"))["settings"]}
"""The settings form, as Dify reads it."""


def picked(app_id: str, **more: Any) -> dict[str, Any]:
    """What Dify's app-selector sends."""
    return {"type": "app-selector", "app_id": app_id, "inputs": {}, "files": [], **more}


def key(caller: str, text: str) -> AccessKey:
    return AccessKey(caller, hashlib.sha256(text.encode()).digest())


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


# -- Both meanings of empty ----------------------------------------------------------------------------------------


def test_nothing_at_all_is_safe() -> None:
    assert parse({}) == Settings()
    settings = Settings()
    assert (settings.apps, settings.access_keys, settings.access, settings.exposure, settings.detail) == (
        (),
        (),
        Access.KEY,
        Exposure.LISTED,
        Detail.ANSWER,
    )


@pytest.mark.parametrize("empty", [None, ""], ids=["missing", "cleared"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_that_was_cleared_is_as_if_it_were_missing(name: str, empty: str | None) -> None:
    others: dict[str, Any] = {"apps": f"echo={ID}", "access_keys": KEY, "detail": "full", "max_streams": "7"}
    others.pop(name, None)
    assert parse({**others, name: empty}) == parse(others)


def test_the_numbers_are_those_of_the_design() -> None:
    assert (Settings().max_streams, DEFAULT_MAX_STREAMS) == (100, 100)


def test_white_space_is_empty_too() -> None:
    texts = [name for name, field in FIELDS.items() if field["type"] in ("text-input", "secret-input")]
    assert parse(dict.fromkeys(texts, " \t ")) == Settings()


# -- The form ------------------------------------------------------------------------------------------------------


def test_every_default_of_the_form_is_the_default_of_an_empty_field() -> None:
    defaults = {name: field["default"] for name, field in FIELDS.items() if "default" in field}
    assert parse(defaults) == Settings()


def test_every_option_of_the_form_is_understood() -> None:
    options = [(name, option["value"]) for name, field in FIELDS.items() for option in field.get("options", ())]
    assert {(name, value): parse({name: value}).faults for name, value in options} == dict.fromkeys(options, ())
    assert len(options) == 17


def test_no_field_is_required_and_every_one_is_explained() -> None:
    assert [name for name, field in FIELDS.items() if field["required"]] == []
    assert [name for name, field in FIELDS.items() if not field["label"]["en_US"]] == []


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "placeholder" in field])
def test_a_placeholder_of_the_form_shows_what_a_line_looks_like(name: str) -> None:
    shown = FIELDS[name]["placeholder"]["en_US"].replace("0b1c…", ID).replace("7f3a…", OTHER_ID)
    shown = shown.replace("9f86d0…", "9f86d0" + "0" * 58).replace("app-…", "app-one", 1).replace("app-…", "app-two")
    more = {"app": picked(ID), "app_2": picked(OTHER_ID), "aliases": "support, report", "dify_api_url": "https://x"}
    assert parse({**({} if name == "apps" else more), name: shown}).faults == ()


# -- Apps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "apps", "default"),
    [
        pytest.param({"app": picked(ID)}, [App("app", ID)], "app", id="one, without an alias"),
        pytest.param(
            {"app": picked(ID), "app_2": picked(OTHER_ID)}, [App("app", ID), App("app_2", OTHER_ID)], "app", id="two"
        ),
        pytest.param(
            {"app": picked(ID), "app_5": picked(OTHER_ID), "aliases": "a, b"},
            [App("a", ID), App("b", OTHER_ID)],
            "a",
            id="aliases, in the order of what is picked",
        ),
        pytest.param(
            {"app": picked(ID), "app_2": picked(OTHER_ID), "aliases": "a"},
            [App("a", ID), App("app_2", OTHER_ID)],
            "a",
            id="fewer aliases than apps",
        ),
        pytest.param(
            {"app": picked(ID, inputs={"city": "Oslo"})}, [App("app", ID, inputs={"city": "Oslo"})], "app", id="inputs"
        ),
        pytest.param({"apps": f"a={ID}, b={OTHER_ID}"}, [App("a", ID), App("b", OTHER_ID)], None, id="pairs"),
        pytest.param({"apps": ID}, [App(ID, ID)], None, id="a bare id is its own alias"),
        pytest.param(
            {"apps": f"a = {ID}\uff0cb={OTHER_ID}\uff1b"}, [App("a", ID), App("b", OTHER_ID)], None, id="full width"
        ),
        pytest.param({"apps": f"{{on: {ID}}}"}, [App("on", ID)], None, id="a truth value for an alias"),
        pytest.param({"apps": f" a={ID}\n\tb={OTHER_ID},"}, [App("a", ID), App("b", OTHER_ID)], None, id="white space"),
        pytest.param({"apps": f"a={ID.upper()}"}, [App("a", ID)], None, id="an id in capitals"),
        pytest.param({"apps": f"a={ID.replace('-', '')}"}, [App("a", ID)], None, id="an id without dashes"),
        pytest.param({"apps": f"{{a: {ID}, b: {OTHER_ID}}}"}, [App("a", ID), App("b", OTHER_ID)], None, id="YAML"),
        pytest.param(
            {
                "apps": json.dumps(
                    {"a": {"app_id": ID, "kind": "workflow", "query": "q", "answer": "out", "user": "who"}}
                )
            },
            [App("a", ID, Kind.WORKFLOW, "q", "out", "who")],
            None,
            id="JSON, with more for an app",
        ),
        pytest.param(
            {"apps": f"{{a: {{app_id: {ID}, transcript: log, instructions: role}}}}"},
            [App("a", ID, transcript="log", instructions="role")],
            None,
            id="inputs for what a client sends of a dialogue",
        ),
        pytest.param(
            {"apps": f"{{a: {{app_id: {ID}, title: Support desk, about: 'Answers, politely.'}}}}"},
            [App("a", ID, title="Support desk", about="Answers, politely.")],
            None,
            id="a title and a description",
        ),
        pytest.param(
            {"app": picked(ID, inputs={"x": 1}), "aliases": "a", "apps": "{a: {kind: agent, answer: text}}"},
            [App("a", ID, Kind.AGENT, answer="text", inputs={"x": 1})],
            "a",
            id="an entry that adds to an app above",
        ),
        pytest.param({"apps": f"{{7: {ID}}}"}, [App("7", ID)], None, id="a number for an alias"),
        pytest.param({"app": picked(ID, inputs="no object")}, [App("app", ID)], "app", id="inputs that are none"),
    ],
)
def test_apps_are(raw: dict[str, Any], apps: list[App], default: str | None) -> None:
    settings = parse(raw)
    assert list(settings.apps) == apps
    assert settings.faults == ()
    assert (settings.default_app and settings.default_app.alias) == default


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("chat", Kind.CHAT),
        ("agent", Kind.AGENT),
        ("agent-chat", Kind.AGENT),
        ("chatflow", Kind.CHATFLOW),
        ("advanced-chat", Kind.CHATFLOW),
        ("workflow", Kind.WORKFLOW),
        ("completion", Kind.COMPLETION),
        ("", None),
    ],
)
def test_a_kind_is_known_by_peoples_name_and_by_difys(kind: str, expected: Kind | None) -> None:
    assert parse({"apps": f'{{a: {{app_id: {ID}, kind: "{kind}"}}}}'}).apps == (App("a", ID, expected),)


@pytest.mark.parametrize("name", ["echo", ID, ID.upper(), ID.replace("-", "")])
def test_an_app_is_named_by_its_alias_or_its_id(name: str) -> None:
    found = parse({"apps": f"echo={ID}"}).app_named(name)
    assert found
    assert found.app_id == ID


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID, ID),
        (ID.upper(), ID),
        (ID.replace("-", ""), ID),
        ("", ""),
        ("x" * 36, ""),
        (f"{{{ID}}}", ""),
        (f"urn:uuid:{ID}", ""),
        (f"urn:{ID.replace('-', '')}", ""),
        (f"{ID[:-1]}_", ""),
        (f"0x{ID.replace('-', '')[2:]}", ""),
    ],
)
def test_an_id_is_canonical_or_none(text: str, expected: str) -> None:
    assert canonical_id(text) == expected


# -- Keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(KEY, [key("default", KEY)], id="a bare key"),
        pytest.param(f"web={KEY}", [key("web", KEY)], id="a named key"),
        pytest.param(f"web={KEY}, other={KEY}2", [key("web", KEY), key("other", f"{KEY}2")], id="commas"),
        pytest.param(f"web={KEY}\nother={KEY}2", [key("web", KEY), key("other", f"{KEY}2")], id="white space"),
        pytest.param("dGhpcyBpcyBhIGtleQ==", [key("default", "dGhpcyBpcyBhIGtleQ==")], id="a bare key that ends in ="),
        pytest.param("Zm9=vYmFyYmF6cXV4", [key("default", "Zm9=vYmFyYmF6cXV4")], id="a bare key that holds ="),
        pytest.param(f"web={KEY}==", [key("web", f"{KEY}==")], id="a named key that ends in ="),
        pytest.param(f"Web={KEY}", [key("default", f"Web={KEY}")], id="what is no name belongs to the key"),
        pytest.param(f"a={KEY},a={KEY}2", [key("a", KEY), key("a", f"{KEY}2")], id="two keys of one caller"),
        pytest.param(f"a={KEY},a={KEY}", [key("a", KEY)], id="the same key twice"),
        pytest.param("é" * 16, [key("default", "é" * 16)], id="no ASCII"),
        pytest.param(f"web={digest_of(KEY)}", [key("web", KEY)], id="its digest"),
        pytest.param(f"web=sha256:{digest_of(KEY)[7:].upper()}", [key("web", KEY)], id="its digest in capitals"),
        pytest.param(digest_of(KEY), [key("default", KEY)], id="a digest without a name"),
        pytest.param(f"a={KEY},a={digest_of(KEY)}", [key("a", KEY)], id="the same key, and its digest"),
        pytest.param(f"a={KEY}*a***b", [key("a", f"{KEY}*a***b")], id="stars, and no four in a row"),
    ],
)
def test_access_keys_are(text: str, expected: list[AccessKey]) -> None:
    settings = parse({"access_keys": text})
    assert list(settings.access_keys) == expected
    assert settings.faults == ()


# -- Callers -------------------------------------------------------------------------------------------------------

LISTED: Final[dict[str, Any]] = {"apps": f"a={ID}, b={OTHER_ID}", "access_keys": f"web={KEY}, mobile={KEY}2"}
"""Two apps, and two callers with a key each."""


def reach(callers: str) -> dict[str, str]:
    """The aliases of the apps that each caller may reach under this `callers`."""
    settings = parse({**LISTED, "callers": callers})
    ids = {"a": ID, "b": OTHER_ID}
    free = frozenset(() if settings.fatal else ids.values())
    held = {name: frozenset() if scope.fault else free & scope.app_ids for name, scope in settings.scopes.items()}
    return {
        name: "".join(alias for alias, app_id in ids.items() if app_id in held.get(name, free))
        for name in ("web", "mobile")
    }


@pytest.mark.parametrize(
    ("text", "keys", "scopes"),
    [
        pytest.param(f"ci={digest_of(KEY)}", [key("ci", KEY)], {}, id="a key"),
        pytest.param(f"web={digest_of(KEY)}", [key("web", KEY)], {}, id="another key of a name above"),
        pytest.param(f"ci = {digest_of(KEY)}", [key("ci", KEY)], {}, id="spaces around the sign"),
        pytest.param(f"ci(a)={digest_of(KEY)}", [key("ci", KEY)], {"ci": {ID}}, id="a key and a scope in one"),
        pytest.param(
            f"ci={digest_of(KEY)}, ci(b)", [key("ci", KEY)], {"ci": {OTHER_ID}}, id="a key and a scope in two"
        ),
        pytest.param("web(a)", [], {"web": {ID}}, id="one app"),
        pytest.param("web(a,b)", [], {"web": {ID, OTHER_ID}}, id="two apps"),
        pytest.param("web(a, b)", [], {"web": {ID, OTHER_ID}}, id="a comma and a space inside"),
        pytest.param("web(a b)", [], {"web": {ID, OTHER_ID}}, id="a space inside"),
        pytest.param("web( a ;\tb\n)", [], {"web": {ID, OTHER_ID}}, id="a semicolon and all white space inside"),
        pytest.param("web(a\uff0cb)", [], {"web": {ID, OTHER_ID}}, id="a full-width comma inside"),
        pytest.param("web(a\u3001b)", [], {"web": {ID, OTHER_ID}}, id="an enumeration comma inside"),
        pytest.param("web (a)", [], {"web": {ID}}, id="a space before the parenthesis"),
        pytest.param("web(a), mobile(b)", [], {"web": {ID}, "mobile": {OTHER_ID}}, id="two callers"),
        pytest.param("web(a) mobile(b)", [], {"web": {ID}, "mobile": {OTHER_ID}}, id="two callers and a space"),
        pytest.param("web(a)\uff1bmobile(b)", [], {"web": {ID}, "mobile": {OTHER_ID}}, id="full width between"),
        pytest.param("web(a), web(b)", [], {"web": {ID, OTHER_ID}}, id="a caller twice"),
        pytest.param(f"web({ID.upper()})", [], {"web": {ID}}, id="an id"),
        pytest.param("anonymous(a)", [], {"anonymous": {ID}}, id="whoever has no key"),
    ],
)
def test_callers_are(text: str, keys: list[AccessKey], scopes: dict[str, set[str]]) -> None:
    settings = parse({"apps": LISTED["apps"], "access_keys": f"web={KEY}1, mobile={KEY}2", "callers": text})
    assert list(settings.access_keys) == [key("web", f"{KEY}1"), key("mobile", f"{KEY}2"), *keys]
    assert settings.scopes == {name: Scope(frozenset(app_ids)) for name, app_ids in scopes.items()}
    assert settings.faults == ()


def test_a_bare_keys_caller_can_be_held_to_an_app() -> None:
    settings = parse({"apps": LISTED["apps"], "access_keys": KEY, "callers": "default(a)"})
    assert settings.scopes["default"].app_ids == {ID}
    assert settings.faults == ()


def test_under_workspace_a_scope_may_name_any_id() -> None:
    settings = parse({"exposure": "workspace", "access_keys": f"web={KEY}", "callers": f"web({ID})"})
    assert settings.scopes["web"].app_ids == {ID}
    assert settings.faults == ()


@pytest.mark.parametrize(
    ("text", "web", "mobile"),
    [
        pytest.param("web(a", "", "ab", id="not closed"),
        pytest.param("web(a, mobile(b)", "", "b", id="not closed, and another caller"),
        pytest.param("web(a)b", "", "ab", id="more after it"),
        pytest.param("web()", "", "ab", id="empty"),
        pytest.param("web( , )", "", "ab", id="nothing but separators"),
        pytest.param("web(nowhere)", "", "ab", id="an app that is not listed"),
        pytest.param("web(A)", "", "ab", id="an alias in capitals"),
        pytest.param("web(a, nowhere)", "a", "ab", id="one of two that is not listed"),
        pytest.param(f"web({THIRD_ID})", "", "ab", id="the id of an app that is not listed"),
        pytest.param("web(a), web(b", "", "ab", id="one of two entries"),
        pytest.param("web(b, web(a)", "", "ab", id="one of two entries, the first"),
        pytest.param("web(), web(a)", "", "ab", id="one of two entries, and it is empty"),
        pytest.param("web(a)=no-digest", "a", "ab", id="with a key that is none"),
        pytest.param("(a)", "", "", id="without a name"),
        pytest.param("web, (a)", "", "", id="cut from its name"),
        pytest.param("web a)", "", "", id="never opened"),
        pytest.param("Web(a)", "", "", id="a name in capitals"),
        pytest.param("web=(a)", "", "", id="a sign between"),
        pytest.param(f"web={digest_of(KEY)}(a)", "", "", id="after the key"),
        pytest.param("w\u0435b(a)", "", "", id="a letter that only looks like one"),
        pytest.param("web\u200b(a)", "", "", id="a space that nobody sees"),
        pytest.param("web)a(", "", "", id="the wrong way round"),
    ],
)
def test_a_scope_that_cant_be_read_closes_its_caller_out_or_everyone(text: str, web: str, mobile: str) -> None:
    assert reach(text) == {"web": web, "mobile": mobile}
    assert parse({**LISTED, "callers": text}).faults


@pytest.mark.parametrize(
    ("text", "web", "mobile"),
    [
        pytest.param("web((a))", "a", "ab", id="doubled"),
        pytest.param("web(a)(b)", "a", "ab", id="twice in a row"),
        pytest.param("web(a)mobile(b)", "a", "b", id="two callers, nothing between"),
        pytest.param("web(a)/mobile(b)", "a", "b", id="two callers, a slash between"),
        pytest.param("web(a)|mobile(b)", "a", "b", id="two callers, a bar between"),
        pytest.param("web\uff08a\uff09, mobile\uff08b\uff09", "a", "b", id="full-width parentheses"),
        pytest.param("web\uff08a\uff0cnowhere\uff09", "a", "ab", id="full-width parentheses, and a comma in them"),
        pytest.param("web\uff08a\uff09mobile(b)", "a", "b", id="full-width parentheses, and others"),
    ],
)
def test_no_caller_in_what_cant_be_read_goes_free(text: str, web: str, mobile: str) -> None:
    """Closed out or held to what was meant: either will do."""
    reached = reach(text)
    assert set(reached["web"]) <= set(web)
    assert set(reached["mobile"]) <= set(mobile)


@given(
    place=st.integers(0, 16),
    taken=st.integers(0, 1),
    put=st.sampled_from(["", *"(),;=: \tx[]{}<>.-_A\0\uff08\uff09\uff0c"]),
)
def test_one_slip_never_sets_a_caller_free_without_a_word(place: int, taken: int, put: str) -> None:
    text = "web(a), mobile(b)"
    slipped = text[:place] + put + text[place + taken :]
    if "ab" in reach(slipped).values():
        assert parse({**LISTED, "callers": slipped}).faults, slipped


@pytest.mark.parametrize("name", ["wbe", "web-", "w3b"])
def test_a_scope_of_a_name_that_no_key_has_is_logged(name: str, duck_log: pytest.LogCaptureFixture) -> None:
    settings.reader._logged.clear()
    settings.reader._parse.cache_clear()
    assert parse({**LISTED, "callers": f"mobile(b), {name}(a)"}).fatal == ()
    told = "misconfigured: callers, entry 2: holds a caller to some apps, but no key has this name"
    assert duck_log.messages == [told]


def test_a_key_that_is_refused_under_another_name_stays_its_first_callers() -> None:
    settings = parse({**LISTED, "callers": f"ci={digest_of(KEY)}"})
    assert settings.access_keys == (key("web", KEY), key("mobile", f"{KEY}2"))
    assert [str(fault) for fault in settings.faults] == ["callers, entry 1: the same key stands under two names"]


# -- The other settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "member", "expected"),
    [
        ("exposure", "workspace", "exposure", Exposure.WORKSPACE),
        ("access", "open", "access", Access.OPEN),
        ("detail", "answer", "detail", Detail.ANSWER),
        ("detail", "progress", "detail", Detail.PROGRESS),
        ("detail", "full", "detail", Detail.FULL),
        ("keep_alive", "on", "keep_alive", True),
        ("run_timeout", "300", "run_timeout", 300.0),
        ("run_timeout", "300s", "run_timeout", 300.0),
        ("run_timeout", " 5 m ", "run_timeout", 300.0),
        ("run_timeout", "1h", "run_timeout", 3600.0),
        ("max_streams", "1", "max_streams", 1),
        ("max_streams", " 250 ", "max_streams", 250),
        ("conversation_ids", "sealed", "conversation_ids", ConversationIds.SEALED),
        ("conversation_ids", "plain", "conversation_ids", ConversationIds.PLAIN),
        ("memory_mode", "all_messages", "memory_mode", MemoryMode.ALL_MESSAGES),
        ("memory_mode", "last_user_message", "memory_mode", MemoryMode.LAST_USER_MESSAGE),
        ("think_tags", "split", "think_tags", ThinkTags.SPLIT),
        ("think_tags", "keep", "think_tags", ThinkTags.KEEP),
        ("conversation_header", "X-Conversation-Id", "conversation_header", "X-Conversation-Id"),
        ("conversation_header", " x-chat ", "conversation_header", "x-chat"),
        ("conversation_header", "X" * 64, "conversation_header", "X" * 64),
        ("rate_limit", "60/min", "rates", (Rate(60, 60),)),
        ("rate_limit", "60/m", "rates", (Rate(60, 60),)),
        ("rate_limit", "60 / Minute", "rates", (Rate(60, 60),)),
        ("rate_limit", "1/s", "rates", (Rate(1, 1),)),
        ("rate_limit", "1/sec", "rates", (Rate(1, 1),)),
        ("rate_limit", "1/second", "rates", (Rate(1, 1),)),
        ("rate_limit", "99999/h", "rates", (Rate(99999, 3600),)),
        ("rate_limit", "5/hour", "rates", (Rate(5, 3600),)),
        ("rate_limit", "5/d", "rates", (Rate(5, 86400),)),
        ("rate_limit", "5/day", "rates", (Rate(5, 86400),)),
        ("rate_limit", "2/s, 60/min 1000/day", "rates", (Rate(2, 1), Rate(60, 60), Rate(1000, 86400))),
        ("cors_origins", "https://a.example", "origins", Origins(frozenset({"https://a.example"}))),
        ("cors_origins", "HTTPS://A.Example:443/", "origins", Origins(frozenset({"https://a.example"}))),
        (
            "cors_origins",
            "https://a.example:8443, capacitor://localhost\ntauri://localhost",
            "origins",
            Origins(frozenset({"https://a.example:8443", "capacitor://localhost", "tauri://localhost"})),
        ),
        ("cors_origins", "https://*.example.com", "origins", Origins.of(["https://*.example.com"])),
        ("cors_origins", "*", "origins", Origins(is_any=True)),
        ("files_url", "https://dify.example.com/", "files_url", "https://dify.example.com"),
        ("files_url", "http://127.0.0.1:8080", "files_url", "http://127.0.0.1:8080"),
        ("files_url", "https://example.com/dify", "files_url", "https://example.com/dify"),
    ],
)
def test_a_setting_is(name: str, value: str, member: str, expected: object) -> None:
    settings = parse({name: value})
    assert getattr(settings, member) == expected
    assert settings.faults == ()


@pytest.mark.parametrize(
    ("rate_limit", "expected"),
    [("", (Rate(60, 60),)), ("5/s", (Rate(5, 1),)), ("1000/min", (Rate(1000, 60),))],
    ids=["unless set", "less", "more"],
)
def test_open_access_implies_a_rate(rate_limit: str, expected: tuple[Rate, ...]) -> None:
    assert parse({"access": "open", "rate_limit": rate_limit}).rates == expected
    assert Rate(60, 60) == OPEN_RATE


def test_a_faulty_origin_takes_no_other_with_it() -> None:
    settings = parse({"cors_origins": "https://a.example, https://b.example/path, https://c.example"})
    assert settings.origins == Origins(frozenset({"https://a.example", "https://c.example"}))
    assert [(fault.setting, fault.entry) for fault in settings.faults] == [("cors_origins", 2)]


# -- Faults --------------------------------------------------------------------------------------------------------

FAULTS: Final[dict[str, tuple[dict[str, Any], str, bool]]] = {
    "a key too short": (
        {"access_keys": f"web={KEY}, b=short-content"},
        "access_keys, entry 2: under 16 characters",
        False,
    ),
    "an edited mask": (
        {"access_keys": "ab****yz-content"},
        "access_keys, entry 1: Dify's mask was edited; enter the whole value again",
        False,
    ),
    "one key, two names": (
        {"access_keys": "a=content-content-1, b=content-content-1"},
        "access_keys, entry 2: the same key stands under two names",
        False,
    ),
    "a digest cut": (
        {"access_keys": "a=sha256:content"},
        "access_keys, entry 1: sha256: is followed by 64 hexadecimal digits",
        False,
    ),
    "keys that are no text": ({"access_keys": ["content"]}, "access_keys: must be text", True),
    "a bare id that is none": (
        {"apps": f"a={ID} content"},
        "apps, entry 2: app_id is not an app's id (a UUID, as in the address of its page in Dify)",
        False,
    ),
    "an alias with a space or more": (
        {"apps": f"{{'content x': {ID}}}"},
        "apps, entry 1: an alias is 1 to 64 letters, digits, _ or -",
        False,
    ),
    "neither pairs nor YAML": (
        {"apps": "{content"},
        "apps: is neither alias=app_id pairs nor YAML or JSON that maps aliases to apps",
        False,
    ),
    "a kind that is none": (
        {"apps": f"{{a: {{app_id: {ID}, kind: content}}}}"},
        "apps, entry 1: kind must be one of chat, agent, agent-chat, chatflow, advanced-chat, workflow, completion",
        False,
    ),
    "a kind that is a list": (
        {"apps": f"{{a: {{app_id: {ID}, kind: [content]}}}}"},
        WRONG_MEMBERS,
        False,
    ),
    "a variable that is no name": (
        {"apps": f"{{a: {{app_id: {ID}, query: {{content: 1}}}}}}"},
        WRONG_MEMBERS,
        False,
    ),
    "an app's own key among the apps": (
        {"apps": "{a: {app_id: app-content}}"},
        "apps, entry 1: an app's API key does not belong here, for this setting is not encrypted",
        False,
    ),
    "an app's own key as a pair": (
        {"apps": "a=app-content"},
        "apps, entry 1: an app's API key does not belong here, for this setting is not encrypted",
        False,
    ),
    "an entry that is a list": (
        {"apps": "{a: [content]}"},
        "apps, entry 1: expected an app id, or members in braces",
        False,
    ),
    "a placeholder for an alias": (
        {"apps": f"alias={ID} app_id={OTHER_ID}"},
        "apps, entry 2: is a placeholder, not an alias",
        False,
    ),
    "an alias of two apps": ({"apps": f"a={ID} a={OTHER_ID}"}, "apps, entry 2: names two apps", False),
    "another id for an app that is picked": (
        {"app": picked(ID), "apps": f"app={OTHER_ID}"},
        "apps, entry 1: names an app that is picked above already, with another id",
        False,
    ),
    "more aliases than apps": (
        {"app": picked(ID), "aliases": "a, content"},
        "aliases, entry 2: names more apps than are picked",
        False,
    ),
    "aliases that are no text": ({"aliases": ["content"]}, "aliases: must be text", True),
    "the same alias twice": (
        {"app": picked(ID), "app_2": picked(OTHER_ID), "aliases": "content, content"},
        "aliases, entry 2: names two apps",
        False,
    ),
    "no choice of detail": ({"detail": "content"}, "detail: must be one of answer, progress, full", True),
    "no choice of access": ({"access": 5}, "access: must be one of key, open", True),
    "no choice of exposure": ({"exposure": ["content"]}, "exposure: must be one of listed, workspace", True),
    "no choice of keep_alive": ({"keep_alive": True}, "keep_alive: must be one of off, on", True),
    "open, and every app": (
        {"access": "open", "exposure": "workspace"},
        "access: open can't be combined with exposure: workspace",
        True,
    ),
    "no time": ({"run_timeout": "content"}, "run_timeout: must be a time such as 300, 300s or 5m", True),
    "no time at all": ({"run_timeout": "0"}, "run_timeout: must be a time such as 300, 300s or 5m", True),
    "a time that is a number": ({"run_timeout": 300}, "run_timeout: must be text", True),
    "no number of streams": ({"max_streams": "content"}, "max_streams: must be a whole number from 1 on", True),
    "no stream": ({"max_streams": "0"}, "max_streams: must be a whole number from 1 on", True),
    "callers that are no text": ({"callers": ["content"]}, "callers: must be text", True),
    "a caller and no more": (
        {"callers": "content"},
        "callers, entry 1: expected name=sha256:<hex>, or name(app1,app2)",
        False,
    ),
    "a key where it would not be encrypted": (
        {"callers": "web=content-content-content"},
        "callers, entry 1: a key does not belong here, for this setting is not encrypted; write sha256:<hex> of it",
        False,
    ),
    "a digest cut, among callers": (
        {"callers": "web=sha256:content"},
        "callers, entry 1: sha256: is followed by 64 hexadecimal digits",
        False,
    ),
    "a digest under another name": (
        {"access_keys": f"content={KEY}", "callers": f"other={digest_of(KEY)}"},
        "callers, entry 1: the same key stands under two names",
        False,
    ),
    "a key for whoever has none": (
        {"access_keys": "anonymous=content-content-content"},
        "access_keys, entry 1: anonymous is whoever has no key",
        False,
    ),
    "a scope that can't be read": (
        {"access_keys": f"content={KEY}", "callers": "content(content"},
        "callers, entry 1: the apps in parentheses can't be read",
        False,
    ),
    "a scope of no known caller": (
        {"callers": "CONTENT(content)"},
        "callers, entry 1: it can't be told which caller is held to which apps",
        True,
    ),
    "a scope of an app that is not listed": (
        {"access_keys": f"web={KEY}", "callers": "web(content)"},
        "callers, entry 1: names an app that is not listed",
        False,
    ),
    "a scope without an app": (
        {"access_keys": f"content={KEY}", "callers": "content()"},
        "callers, entry 1: names no app in its parentheses",
        False,
    ),
    "a scope of nobody": (
        {"apps": f"a={ID}", "access_keys": f"web={KEY}", "callers": "content(a)"},
        "callers, entry 1: holds a caller to some apps, but no key has this name",
        False,
    ),
    "no origin": (
        {"cors_origins": "https://a.example, content"},
        "cors_origins, entry 2: expected an origin such as https://app.example.com, https://*.example.com or capacitor://localhost",
        False,
    ),
    "the origin that every sandboxed page has": (
        {"cors_origins": "null"},
        "cors_origins, entry 1: null is what any sandboxed page calls itself, so it can't be listed",
        False,
    ),
    "origins that are no text": ({"cors_origins": ["content"]}, "cors_origins: must be text", True),
    "no rate": (
        {"rate_limit": "60/min, content"},
        "rate_limit, entry 2: must be a number of calls per s, min, hour or day, such as 60/min",
        True,
    ),
    "a rate of nothing": (
        {"rate_limit": "0/min"},
        "rate_limit, entry 1: must be a number of calls per s, min, hour or day, such as 60/min",
        True,
    ),
    "a rate in words": (
        {"rate_limit": "content/min"},
        "rate_limit, entry 1: must be a number of calls per s, min, hour or day, such as 60/min",
        True,
    ),
    "a rate of no known time": (
        {"rate_limit": "5/content"},
        "rate_limit, entry 1: must be a number of calls per s, min, hour or day, such as 60/min",
        True,
    ),
    "a rate of several times": (
        {"rate_limit": "5/2content"},
        "rate_limit, entry 1: must be a number of calls per s, min, hour or day, such as 60/min",
        True,
    ),
    "a rate that is a number": ({"rate_limit": 60}, "rate_limit: must be text", True),
    "no choice of conversation_ids": (
        {"conversation_ids": "content"},
        "conversation_ids: must be one of sealed, plain",
        True,
    ),
    "no choice of memory_mode": (
        {"memory_mode": "content"},
        "memory_mode: must be one of all_messages, last_user_message",
        True,
    ),
    "no choice of think_tags": ({"think_tags": "content"}, "think_tags: must be one of split, keep", True),
    "a header that never arrives": (
        {"conversation_header": "x_content"},
        "conversation_header: must be the name of a header, of letters, digits and -",
        False,
    ),
    "a header and its value": (
        {"conversation_header": "X-Chat: content"},
        "conversation_header: must be the name of a header, of letters, digits and -",
        False,
    ),
    "a header's name too long": (
        {"conversation_header": "content" * 10},
        "conversation_header: must be the name of a header, of letters, digits and -",
        False,
    ),
    "two headers": (
        {"conversation_header": "X-Chat, X-Content"},
        "conversation_header: must be the name of a header, of letters, digits and -",
        False,
    ),
    "a header that is no text": ({"conversation_header": ["content"]}, "conversation_header: must be text", True),
    "OpenAI's own path for an alias": (
        {"apps": f"completions={ID}"},
        "apps, entry 1: completions is a part of OpenAI's own paths, not an alias",
        False,
    ),
    "OpenAI's own path for a picked app": (
        {"app": picked(ID), "aliases": "completions"},
        "aliases, entry 1: completions is a part of OpenAI's own paths, not an alias",
        False,
    ),
    "a transcript that is no name": (
        {"apps": f"{{a: {{app_id: {ID}, transcript: [content]}}}}"},
        WRONG_MEMBERS,
        False,
    ),
    "no address": ({"files_url": "content"}, "files_url: must be an address such as https://dify.example.com", False),
    "an address with a query": (
        {"files_url": "https://content/?a=1"},
        "files_url: must be an address such as https://dify.example.com",
        False,
    ),
    "no address of the Service API": (
        {"dify_api_url": "content"},
        "dify_api_url: must be an address such as https://dify.example.com/v1",
        False,
    ),
    "an address of the Service API that is no text": (
        {"dify_api_url": ["content"]},
        "dify_api_url: must be text",
        True,
    ),
    "a key of an app that is not listed": (
        {"dify_api_keys": "content=app-content"},
        "dify_api_keys, entry 1: names an app that is not listed",
        False,
    ),
    "a key of no app": (
        {"dify_api_keys": "app-content"},
        "dify_api_keys, entry 1: expected alias=app-…, an app's alias and its key",
        False,
    ),
    "keys of apps that are no text": ({"dify_api_keys": ["content"]}, "dify_api_keys: must be text", True),
    "an address that could break out of HTML": (
        {"files_url": 'https://x/"content'},
        "files_url: must be an address such as https://dify.example.com",
        False,
    ),
}
"""Settings, the fault as it is told, and whether it governs every call."""


@pytest.mark.parametrize(("raw", "told", "is_fatal"), FAULTS.values(), ids=list(FAULTS))
def test_a_fault_names_setting_and_entry_and_never_the_content(raw: dict[str, Any], told: str, is_fatal: bool) -> None:
    settings = parse(raw)
    assert [str(fault) for fault in settings.faults] == [told]
    assert (settings.fatal == settings.faults) is is_fatal
    error = settings.faults[0].as_error()
    assert (error.code, error.status) == ("misconfigured", 500)
    assert told in error.message
    assert "content" not in error.sentence(with_cause=True)


@pytest.mark.parametrize("name", [*APP_SELECTORS[1:], "apps", "access_keys"])
def test_a_fault_disables_only_what_its_entry_governs(name: str) -> None:
    broken: dict[str, Any] = {"apps": "bad=no-id", "access_keys": f"web={KEY},bad"}
    raw = {"app": picked(ID), "access_keys": f"web={KEY}", name: broken.get(name, {"type": "app-selector"})}
    settings = parse(raw)
    assert [fault.setting for fault in settings.faults] == [name]
    assert settings.fatal == ()
    assert settings.default_app == App("app", ID)
    assert settings.access_keys == (key("web", KEY),)


@pytest.mark.parametrize(
    "value",
    [5, "text", [ID], {"app_id": 5}, {"app_id": "no-id"}, {"type": "app-selector"}, {"app_id": [ID]}],
    ids=str,
)
@pytest.mark.parametrize("name", APP_SELECTORS)
def test_a_picker_that_holds_no_app_is_a_fault(name: str, value: object) -> None:
    settings = parse({name: value})
    assert [str(fault) for fault in settings.faults] == [f"{name}: does not hold an app; pick it again"]
    assert [(app.alias, app.app_id, app.fault) for app in settings.apps] == [(name, "", settings.faults[0])]
    assert settings.fatal == ()


def test_a_faulty_app_keeps_its_fault_for_those_who_call_it() -> None:
    (app,) = parse({"apps": "a=no-id"}).apps
    assert app.fault == Fault("apps", 1, "app_id is not an app's id (a UUID, as in the address of its page in Dify)")


def test_a_distinct_fault_is_logged_once_and_without_its_content(duck_log: pytest.LogCaptureFixture) -> None:
    settings.reader._logged.clear()
    raw = {"access_keys": "web=hunter2, ab****yz", "max_streams": "once-and-without-its-content"}
    for number in range(3):
        parse({**raw, "run_timeout": f"{number + 1}s"})  # another form with the same faults
    assert duck_log.messages == [
        "misconfigured: access_keys, entry 1: under 16 characters",
        "misconfigured: access_keys, entry 2: Dify's mask was edited; enter the whole value again",
        "misconfigured: max_streams: must be a whole number from 1 on",
    ]


def test_settings_are_parsed_once_per_distinct_content() -> None:
    assert parse({"max_streams": "77"}) is parse({"max_streams": "77"})
    assert parse({"max_streams": "78"}) is not parse({"max_streams": "77"})


def test_a_key_is_kept_as_its_digest_only() -> None:
    assert KEY not in repr(parse({"access_keys": f"web={KEY}"}))


# -- Dify's Service API --------------------------------------------------------------------------------------------

APPS: Final = {"apps": f"a={ID}, b={OTHER_ID}"}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://dify.example.com/v1", "https://dify.example.com/v1"),
        ("https://dify.example.com", "https://dify.example.com/v1"),
        ("https://dify.example.com/", "https://dify.example.com/v1"),
        (" https://dify.example.com/v1// ", "https://dify.example.com/v1"),
        ("http://nginx/v1", "http://nginx/v1"),
        ("http://docker_api_1:5001", "http://docker_api_1:5001/v1"),
        ("http://10.0.0.1:65535/a/b/v1", "http://10.0.0.1:65535/a/b/v1"),
        ("https://dify.example.com/v10", "https://dify.example.com/v10/v1"),
        ("HTTPS://Dify.Example.com", "HTTPS://Dify.Example.com/v1"),
        ("http://[::1]:5001/v1", "http://[::1]:5001/v1"),
        ("https://dify.example.com./v1", "https://dify.example.com./v1"),
    ],
)
def test_the_address_of_the_service_api_is_given_with_or_without_v1(given: str, url: str) -> None:
    settings = parse({**APPS, "dify_api_url": given, "dify_api_keys": "a=app-one"})
    assert (settings.service, settings.faults) == (Service(url, {ID: "app-one"}), ())


@pytest.mark.parametrize(
    "given",
    [
        "dify.example.com",
        "ftp://dify.example.com",
        "https://",
        "https:///v1",
        "https://user:secret@dify.example.com",
        "https://dify.example.com/v1?key=x",
        "https://dify.example.com/v1#x",
        "https://dify.example.com/../v1/a b",
        "https://dify.example.com:port",
        "https://dify.example.com:65536",
        "https://dify.example.com:0",
        "https://[::zz]",
        "https://[1.2]",
        "https://a..b",
        f"https://{'a' * 64}.example",
        "https://\u540d.example",
        "https://dify.example.com\\v1",
        "https://a, https://b",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_address_is_a_fault_of_the_apps_that_need_it_only(given: str) -> None:
    settings = parse({**APPS, "dify_api_url": given, "dify_api_keys": "a=app-one"})
    fault = Fault("dify_api_url", 0, "must be an address such as https://dify.example.com/v1")
    assert (settings.faults, settings.fatal, settings.service) == ((fault,), (), Service())
    assert settings.apps == (App("a", ID, fault=fault), App("b", OTHER_ID))


def test_an_address_without_a_key_is_of_no_one() -> None:
    settings = parse({**APPS, "dify_api_url": "https://x"})
    assert (settings.service, settings.faults) == (Service("https://x/v1"), ())


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ("a=app-one", {ID: "app-one"}),
        ("a=app-one, b=app-two", {ID: "app-one", OTHER_ID: "app-two"}),
        (" a = app-one\n b =app-two ; ", {ID: "app-one", OTHER_ID: "app-two"}),
        (f"{ID}=app-one", {ID: "app-one"}),
        (f"{ID.upper()}=app-One_2-3", {ID: "app-One_2-3"}),
    ],
    ids=["one", "two", "white space", "by the app's id", "by an id in capitals"],
)
def test_keys_of_apps_are(given: str, keys: dict[str, str]) -> None:
    settings = parse({**APPS, "dify_api_url": "https://x", "dify_api_keys": given})
    assert (settings.service, settings.faults) == (Service("https://x/v1", keys), ())


SECOND: Final = "is a second key of the same app"


@pytest.mark.parametrize(
    ("given", "faults", "keys", "with_fault"),
    [
        ("a=app-one, x=app-two", [(2, "names an app that is not listed")], {ID: "app-one"}, []),
        ("a=app-one, a=app-two", [(2, SECOND)], {}, ["a"]),
        ("a=app-one, a=app-two, a=app-three, b=app-four", [(2, SECOND), (3, SECOND)], {OTHER_ID: "app-four"}, ["a"]),
        (f"a=app-one, {ID}=app-one", [(2, SECOND)], {}, ["a"]),
        (
            "a=app-one, b=app-one",
            [(2, "is the key of another app too, and each app has its own")],
            {ID: "app-one"},
            ["b"],
        ),
        (
            "a=dataset-one, b=app-two",
            [(1, "an app's key begins with app-, as Dify shows it under API Access")],
            {OTHER_ID: "app-two"},
            ["a"],
        ),
        ("a=app-o****ne", [(1, "Dify's mask was edited; enter the whole value again")], {}, ["a"]),
        (
            "a=****ne, b=app-two",
            [(1, "Dify's mask was edited; enter the whole value again")],
            {OTHER_ID: "app-two"},
            ["a"],
        ),
        ("a=ap****ne", [(1, "Dify's mask was edited; enter the whole value again")], {}, ["a"]),
        ("app-one", [(1, "expected alias=app-…, an app's alias and its key")], {}, ["a", "b"]),
        (
            "a=app-one, ec****34",
            [(2, "Dify's mask was edited; enter the whole value again")],
            {ID: "app-one"},
            ["b"],
        ),
        ("a=", [(1, "expected alias=app-…, an app's alias and its key")], {}, ["a"]),
    ],
    ids=[
        "of an app that is not listed",
        "two of one app",
        "three of one app",
        "two of one app, one by its id",
        "one of two apps",
        "a knowledge base's",
        "masked",
        "masked at its beginning",
        "masked, as Dify does it",
        "without an alias",
        "masked from its alias on",
        "without a key",
    ],
)
def test_a_faulty_key_is_a_fault_of_its_app_or_where_it_names_none_of_all_without_one(
    given: str, faults: list[tuple[int, str]], keys: dict[str, str], with_fault: list[str]
) -> None:
    settings = parse({**APPS, "dify_api_url": "https://x", "dify_api_keys": given})
    assert settings.faults == tuple(Fault("dify_api_keys", place, problem) for place, problem in faults)
    assert (settings.fatal, settings.service) == ((), Service("https://x/v1", keys))
    assert [app.alias for app in settings.apps if app.fault] == with_fault


def test_keys_without_an_address_are_a_fault_of_their_apps() -> None:
    settings = parse({**APPS, "dify_api_keys": "a=app-one"})
    fault = Fault("dify_api_url", 0, "is missing, and the keys of dify_api_keys need it")
    assert (settings.faults, settings.service) == ((fault,), Service())
    assert settings.apps == (App("a", ID, fault=fault), App("b", OTHER_ID))


def test_the_default_app_has_the_fault_of_its_key_too() -> None:
    settings = parse({"app": picked(ID), "dify_api_keys": "app=app-one"})
    assert settings.default_app == settings.apps[0]
    assert settings.default_app.fault == settings.faults[0]


def test_an_apps_own_fault_outranks_that_of_its_key() -> None:
    settings = parse({"apps": f"{{a: {{app_id: {ID}, kind: none}}}}", "dify_api_keys": "a=app-one"})
    assert [app.fault and app.fault.setting for app in settings.apps] == ["apps"]


def test_a_key_is_in_no_text_that_settings_make() -> None:
    settings = parse({**APPS, "dify_api_url": "https://x", "dify_api_keys": "a=app-secret, b=app-secret"})
    assert settings.service.keys == {ID: "app-secret"}
    assert "app-secret" not in repr(settings)


# -- Anything at all -----------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [220, 300, 900])
def test_settings_nested_deeper_than_any_form_makes_them_are_a_fault_that_governs_every_call(depth: int) -> None:
    settings = parse({"something": nested(depth)})
    assert [str(fault) for fault in settings.fatal] == ["settings: can't be read"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{a: !!timestamp content}", id="timestamp"),
        pytest.param("{a: !!bool content}", id="bool"),
        pytest.param('{a: !!int ""}', id="int"),
        pytest.param("{a: !!float x}", id="float"),
        pytest.param("{a: !!binary é}", id="binary"),
        pytest.param("{a: !!python/object/apply:os.getcwd []}", id="a tag that would run code"),
        pytest.param("{a: &x [*x]}", id="itself"),
        pytest.param("{? {a: b} : c}", id="a mapping for an alias"),
        pytest.param("{a: 2020-99-99}", id="a date that is none"),
        pytest.param("{" * 500, id="nested deep"),
        pytest.param("{a: b} {c: d}", id="two documents"),
        pytest.param("{a: \x00}", id="a control character"),
    ],
)
def test_any_yaml_is_a_fault_and_no_exception(text: str) -> None:
    settings = parse({"apps": text})
    assert {fault.setting for fault in settings.faults} == {"apps"}


_texts: Final = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    [KEY, f"a={ID}", f"{{a: {ID}}}", "{a: {app_id: 5}}", "open", "workspace", "1h", "https://x", "a,b"]
)


@given(raw=st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=5), _texts | json_values, max_size=8))
@example(raw={"apps": f"{{a: {{app_id: {ID}, kind: [x]}}}}"})
@example(raw={"access": {"a": 1}})
@example(raw={"aliases": "\ud800"})
def test_any_json_is_read_without_raising(raw: dict[str, Any]) -> None:
    settings = parse(raw)
    assert settings.max_streams >= 1
    assert set(settings.fatal) <= set(settings.faults)
    assert all(isinstance(fault.as_error(), DuckError) for fault in settings.faults)


@given(text=st.text("{}[]:,&*!?|>-'\"%@` \nab1", max_size=25))
def test_any_text_for_apps_is_read_without_raising(text: str) -> None:
    parse({"apps": f"{{{text}"})


def test_no_fault_lets_more_in_than_no_setting() -> None:
    for about, (raw, _, _) in FAULTS.items():
        settings = parse({**raw, "access": raw.get("access", "")})
        assert settings.fatal or settings.access is Access.KEY, about
        assert settings.max_streams <= DEFAULT_MAX_STREAMS, about
        assert settings.conversation_ids is ConversationIds.SEALED, about
        assert not settings.origins.is_any, about


def test_the_shortest_key_is_long_enough_to_resist_guessing() -> None:
    assert MIN_KEY_LENGTH >= 16
    assert parse({"access_keys": "x" * MIN_KEY_LENGTH}).access_keys == (key("default", "x" * MIN_KEY_LENGTH),)

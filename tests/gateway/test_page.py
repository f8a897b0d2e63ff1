"""`GET /`: what a browser, a stranger and a caller get."""

import re
from pathlib import Path
from typing import Any

import pytest

from gateway import page
from gateway.events import Kind
from tests.gateway.fake_dify import FakeApp, FakeDify, variable
from tests.gateway.test_serve import APPS, CHAT, FORM, KEY, WORKFLOW, answer

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NAVIGATION = {**BROWSER, "Sec-Fetch-Mode": "navigate"}
FETCH = {"Accept": "application/json", "Sec-Fetch-Mode": "cors"}


@pytest.fixture(autouse=True)
def _built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of which nothing matters but its places."""
    for name in ("page.js", "page.css", "icon.svg"):
        (tmp_path / name).write_text(f"/* {name} */", encoding="utf-8")
    html = '<link href="page/page.css?$page_css" nonce="$nonce"><script src="page/page.js?$page_js" nonce="$nonce">'
    (tmp_path / "index.html").write_text(f"{html}$icon_svg", encoding="utf-8")
    monkeypatch.setattr(page, "BUILT", tmp_path)
    page._file.cache_clear()
    page._template.cache_clear()


def overview(settings: dict[str, Any] | None = None, *, key: str = KEY, dify: FakeDify | None = None) -> dict[str, Any]:
    said = answer("GET", "/", key=key, settings=settings or {}, dify=dify)
    assert said.status == 200
    found: dict[str, Any] = said.json()
    return found


def entries(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["alias"]: entry for entry in told["apps"]}


@pytest.mark.parametrize("headers", [BROWSER, NAVIGATION], ids=["over plain HTTP", "as it says itself"])
def test_a_browser_that_opens_the_address_gets_the_page_with_a_key_or_without(headers: dict[str, str]) -> None:
    for key in ("", KEY):
        said = answer("GET", "/", key=key, headers=headers)
        assert (said.status, said.type) == (200, "text/html; charset=utf-8")
        assert "apps" not in said.body.decode()


def test_only_the_pages_own_script_runs_and_it_asks_nobody_outside_its_origin() -> None:
    first, second = answer("GET", "/", key="", headers=BROWSER), answer("GET", "/", key="", headers=BROWSER)
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', first.body.decode()))
    assert first.headers["Content-Security-Policy"] == (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types dompurify"
    )
    assert nonce not in second.body.decode()
    assert (first.headers["Referrer-Policy"], first.headers["Cache-Control"]) == ("no-referrer", "no-store")


def test_a_file_is_kept_by_the_hash_in_its_address() -> None:
    html = answer("GET", "/", key="", headers=BROWSER).body.decode()
    (address,) = re.findall(r'src="(page/page\.js\?[0-9a-f]{16})"', html)
    said = answer("GET", f"/{address}", key="")
    assert (said.status, said.type, said.body) == (200, "text/javascript; charset=utf-8", b"/* page.js */")
    assert said.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("query", ["", "?0123456789abcdef", "?%C3%A4"], ids=["none", "another", "no hash"])
def test_a_file_under_any_other_address_is_asked_for_anew(query: str) -> None:
    said = answer("GET", f"/page/page.js{query}", key="")
    assert (said.status, said.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("name", ["index.html", "other.js", "..%2fpage.js", "%2e%2e/manifest.yaml"])
def test_no_other_file_is_served(name: str) -> None:
    assert answer("GET", f"/page/{name}", key="").status == 404


def test_a_tree_without_the_built_page_answers_a_browser_in_json(tmp_path: Path) -> None:
    (tmp_path / "index.html").unlink()
    assert answer("GET", "/", key="", headers=BROWSER).json()["name"] == "duck"
    assert answer("GET", "/page/page.js", key="").status == 404


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/openapi.json"])
def test_a_page_that_is_off_is_not_there(path: str) -> None:
    for headers in (BROWSER, FETCH):
        said = answer("GET", path, headers=headers, settings={"page": "off"})
        assert (said.status, said.json()["code"]) == (404, "not_found")


def test_a_stranger_is_told_nothing_of_the_apps_and_dify_is_not_asked() -> None:
    dify = FakeDify(dict(APPS))
    assert overview(key="", dify=dify).keys() == {
        "name", "version", "about", "documentation", "openapi", "authentication", "routes"
    }  # fmt: skip
    assert (dify.asked, dify.calls, dify.storage.calls) == ([], [], [])


def test_a_wrong_key_is_a_401() -> None:
    assert answer("GET", "/", key="a-wrong-key-of-some-length").status == 401


def test_an_open_endpoint_tells_anyone() -> None:
    told = overview({"access": "open", "access_keys": "", "cors_origins": "nonsense"}, key="")
    assert told["caller"] == "anonymous"
    assert "faults" not in told
    assert "chat" in entries(told)


def test_a_caller_is_told_what_each_app_takes_and_why_one_can_not_be_reached() -> None:
    told = entries(overview())
    assert told["form"] == {
        "alias": "form",
        "title": "",
        "about": "",
        "kind": "workflow",
        "is_default": False,
        "transport": "reverse",
        "status": "ok",
        "needs_query": False,
        "inputs": [{"name": "city", "type": "text-input", "required": True}],
        "takes_files": False,
        "opening_statement": "",
        "suggested_questions": [],
    }
    assert (told["chat"]["kind"], told["chat"]["needs_query"]) == ("", None)
    assert told["nowhere"]["status"] != "ok"
    assert told["nowhere"]["problem"].endswith(".")


def test_what_the_operator_filled_in_is_the_default_and_what_duck_fills_in_is_not_asked_for() -> None:
    form = (variable("text-input", "city", required=True), variable("text-input", "who", required=True))
    dify = FakeDify({FORM: FakeApp(Kind.WORKFLOW, form)})
    settings = {
        "apps": f"{{form: {{app_id: {FORM}, user: who}}}}",
        "aliases": "form",
        "app": {"app_id": FORM, "inputs": {"city": "Oslo"}},
    }
    (told,) = overview(settings, dify=dify)["apps"]
    assert told["inputs"] == [{"name": "city", "type": "text-input", "required": False, "default": "Oslo"}]


def test_a_caller_with_a_scope_is_told_of_its_apps_alone_and_of_no_fault() -> None:
    settings = {"callers": "ann=sha256:" + "0" * 64 + ", default(chat)", "cors_origins": "nonsense"}
    told = overview(settings)
    assert list(entries(told)) == ["chat"]
    assert "faults" not in told


def test_a_key_without_a_scope_is_told_the_faults_and_never_their_content() -> None:
    told = overview({"cors_origins": "some-nonsense", "apps": f"chat={CHAT}, report=not-an-id"})
    assert told["faults"] == [
        "apps, entry 2: app_id is not an app's id (a UUID, as in the address of its page in Dify).",
        (
            "cors_origins, entry 1: expected an origin such as https://app.example.com, https://*.example.com or "
            "capacitor://localhost."
        ),
    ]
    assert "some-nonsense" not in str(told)
    assert "not-an-id" not in str(told)
    assert entries(told)["report"]["status"] == "misconfigured"


def test_the_limits_name_what_lifts_them() -> None:
    told = overview({"run_timeout": "60", "rate_limit": "10/s", "max_streams": "7"})
    limits = {limit["name"]: (limit["value"], limit["lifted_by"]) for limit in told["limits"]}
    assert limits["run"] == (60, "run_timeout")
    assert limits["calls"] == (10, "rate_limit")
    assert limits["runs"] == (7, "max_streams")
    assert limits["response"][1] == "PLUGIN_MAX_EXECUTION_TIMEOUT"
    assert limits["body"] == (10 * 1024 * 1024, "")
    assert [limit["period"] for limit in told["limits"] if limit["unit"] == "calls"] == [1]


def test_an_app_of_a_known_kind_is_told_with_it() -> None:
    told = entries(overview({"apps": f"{{w: {{app_id: {WORKFLOW}, kind: workflow, title: Weekly, about: Reports.}}}}"}))
    assert (told["w"]["kind"], told["w"]["title"], told["w"]["about"]) == ("workflow", "Weekly", "Reports.")


def test_an_app_that_dify_does_not_tell_of_is_one_whose_id_to_check() -> None:
    told = entries(overview())["nowhere"]
    assert told["problem"] == "Dify does not know this app, or can't tell of it now. Check its id in the settings."


def test_calls_in_a_row_ask_dify_once_and_a_later_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dify = FakeDify(dict(APPS))
    overview(dify=dify)
    asked = len(dify.asked)
    overview(dify=dify)
    assert len(dify.asked) == asked
    monkeypatch.setattr("gateway.overview.TOLD_FOR", 0.0)
    overview(dify=dify)
    assert len(dify.asked) > asked


def test_a_chat_is_told_with_what_its_author_has_written_and_no_more() -> None:
    features = {
        "opening_statement": "Welcome.",
        "suggested_questions": ["Why?", "", 7],
        "sensitive_word_avoidance": {"enabled": True, "config": {"keywords": "secret-word"}},
    }
    told = overview({"apps": f"chat={CHAT}"}, dify=FakeDify({CHAT: FakeApp(Kind.CHAT, features=features)}))
    (chat,) = told["apps"]
    assert (chat["opening_statement"], chat["suggested_questions"]) == ("Welcome.", ["Why?"])
    assert "secret-word" not in str(told)

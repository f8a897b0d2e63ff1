"""What a visitor of the page sees and can do, in a real browser."""

from typing import Any

import pytest
from playwright.sync_api import FilePayload, Route

from tests.browser.conftest import KEY, Visit
from tests.clients.node import CLIENTS

AXE = CLIENTS / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"viewport": {"width": 380, "height": 800}, "has_touch": True, "is_mobile": True}


def check_clean(visit: Visit) -> None:
    assert (visit.faults, visit.foreign) == ([], [])
    assert not [url for url in visit.asked if KEY in url]


def serious_faults(visit: Visit) -> list[Any]:
    """What axe finds. Its own script comes by the debugger's door, which no policy of the page's closes."""
    visit.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = visit.page.evaluate("axe.run()")["violations"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")]


def test_a_stranger_sees_how_to_get_in_and_no_app(visit: Visit) -> None:
    assert visit.page.inner_text("#base") == f"{visit.url}v1"
    assert visit.page.is_hidden("#opened")
    assert "echo" not in visit.page.content()
    assert serious_faults(visit) == []
    check_clean(visit)


def test_a_wrong_key_is_told_in_a_sentence(visit: Visit) -> None:
    visit.open_with("a-wrong-key-of-some-length")
    visit.page.wait_for_selector("#key-problem:has-text('The key is not valid.')")
    assert visit.page.is_hidden("#opened")
    assert [fault for fault in visit.faults if "401" not in fault] == []


def test_a_chat_goes_on_for_two_turns_and_begins_anew(opened: Visit) -> None:
    opened.choose("echo")
    opened.say("Hello **Duck** <img src=x onerror=alert(1)> ![far](https://far.example/a.png)")
    assert "(turn 1)" in opened.answer().inner_text()
    assert opened.answer().locator("strong").inner_text() == "Duck"
    assert opened.answer().locator("img").count() == 0
    assert opened.answer().locator("a").get_attribute("rel") == "noopener noreferrer"
    opened.say("again")
    opened.page.wait_for_selector(".answer:not([aria-busy]):has-text('You said: again (turn 2)')")
    opened.page.click("text=New conversation")
    opened.say("anew")
    opened.page.wait_for_selector(".answer:not([aria-busy]):has-text('You said: anew (turn 1)')")
    check_clean(opened)


def test_a_workflow_is_run_by_a_form_made_of_its_own(opened: Visit) -> None:
    page = opened.page
    opened.choose("form")
    opened.run()
    page.wait_for_selector(".problem:has-text('name is needed.')")
    page.fill("#input-form-name", "Ann")
    page.fill("#input-form-about", "x")
    page.fill("#input-form-age", "7")
    page.select_option("#input-form-color", "red")
    page.check("#input-form-agree")
    page.fill("#input-form-document", "https://files.example/a.txt")
    page.fill("#input-form-pictures", "https://files.example/a.png")
    page.fill("#input-form-config", '{"a": 1}')
    opened.run()
    page.wait_for_selector(".outputs dt:text-is('name') + dd:text-is('Ann')")
    assert serious_faults(opened) == []
    check_clean(opened)


def test_tools_and_reasoning_and_steps_are_shown_folded(opened: Visit) -> None:
    opened.choose("agent")
    opened.say("What time is it?")
    assert "current_time done" in opened.answer().locator(".tools").inner_text()
    opened.choose("reasoning")
    opened.say("Why?")
    answer = opened.answer()
    assert "you said Why?" in answer.locator(".text").inner_text()
    assert answer.locator("details.reasoning").get_attribute("open") is None
    answer.locator("details.reasoning summary").click()
    assert answer.locator("details.reasoning .folded").inner_text()
    opened.choose("chatflow")
    opened.say("Hi")
    opened.answer().locator("details.steps summary").click()
    assert opened.answer().locator("details.steps li.done").count() >= 2
    assert serious_faults(opened) == []
    check_clean(opened)


def test_a_failure_is_a_sentence_behind_what_had_come(opened: Visit) -> None:
    opened.choose("failing")
    opened.run()
    answer = opened.answer()
    opened.page.wait_for_selector(".note.problem:has-text('The app failed while it was running.')")
    assert "This much was done before it failed." in answer.inner_text()
    opened.choose("nowhere")
    assert opened.page.inner_text("#app p.problem").endswith(".")
    check_clean(opened)


def test_a_run_can_be_stopped(opened: Visit) -> None:
    opened.slow_down()
    opened.choose("long")
    opened.say("go")
    opened.page.wait_for_selector(".answer:has-text('tok20')")
    opened.page.click("button.stop")
    opened.page.wait_for_selector(".note:has-text('No longer listening.')")
    assert "tok4999" not in opened.answer().inner_text()
    check_clean(opened)


def test_what_is_read_and_copied_holds_the_real_address_and_no_key(opened: Visit) -> None:
    opened.choose("echo")
    tabs = opened.page.locator("[role=tab]")
    texts = {}
    for index in range(tabs.count()):
        tabs.nth(index).click()
        texts[tabs.nth(index).inner_text()] = opened.page.inner_text("#snippet")
    assert list(texts) == [
        "curl", "Python (openai)", "JavaScript (openai)", "Dify SDK", "MCP", "Open WebUI", "LibreChat"
    ]  # fmt: skip
    assert [name for name, text in texts.items() if opened.url.rstrip("/") not in text or KEY in text] == []
    tabs.first.click()
    opened.page.keyboard.press("ArrowRight")
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.click(".tabs .copy")
    opened.page.wait_for_selector(".tabs .copy:text-is('Copied')")
    assert opened.page.evaluate("navigator.clipboard.readText()") == texts["Python (openai)"]


def test_the_health_panel_says_what_can_be_reached_and_which_limits_hold(opened: Visit) -> None:
    opened.page.click("summary:has-text('Health and limits')")
    told = opened.page.inner_text("#health")
    assert "reverse invocation, by the plugin daemon" in told
    assert "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT" in told
    assert opened.page.locator("#health td.fine").count() > 10
    assert serious_faults(opened) == []


@pytest.mark.parametrize("visit", [PHONE, {**PHONE, "color_scheme": "dark"}], indirect=True, ids=["light", "dark"])
def test_it_fits_a_phone_in_light_and_dark(opened: Visit) -> None:
    opened.choose("echo")
    opened.say("a-word-without-a-break-" * 12)
    opened.answer()
    opened.page.click("summary:has-text('Health and limits')")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 380
    assert serious_faults(opened) == []
    check_clean(opened)


@pytest.mark.parametrize(
    ("visit", "tag", "send"),
    [
        ({"locale": "zh-CN"}, "zh-Hans", "发送"),
        ({"locale": "ja-JP"}, "ja", "送信"),
        ({"locale": "pt-BR"}, "pt-BR", "Enviar"),
        ({"locale": "sv-SE"}, "en", "Send"),
    ],
    indirect=["visit"],
)
def test_the_page_speaks_the_browsers_language(opened: Visit, tag: str, send: str) -> None:
    opened.choose("echo")
    assert opened.page.get_attribute("html", "lang") == tag
    assert opened.page.inner_text(".composer button[type=submit]") == send
    opened.page.select_option("#language", "en_US")
    assert opened.page.inner_text(".composer button[type=submit]") == "Send"
    check_clean(opened)


def test_a_chat_opens_as_its_author_has_written_and_a_suggestion_is_asked(visit: Visit) -> None:
    def with_opening(route: Route) -> None:
        if route.request.resource_type != "fetch":
            route.continue_()
            return
        answered = route.fetch()
        told = answered.json()
        (echo,) = (app for app in told["apps"] if app["alias"] == "echo")
        echo |= {"opening_statement": "Welcome to **Duck**.", "suggested_questions": ["What is it?", "Why?"]}
        route.fulfill(response=answered, json=told)

    visit.page.route(visit.url, with_opening)
    visit.open_with(KEY)
    visit.choose("echo")
    assert visit.page.locator(".message.answer strong").inner_text() == "Duck"
    visit.page.click("button.suggestion:has-text('Why?')")
    visit.page.wait_for_selector(".answer:not([aria-busy]):has-text('You said: Why? (turn 1)')")
    assert visit.page.locator("button.suggestion").count() == 0
    check_clean(visit)


@pytest.mark.parametrize("visit", [{"endpoint": "keyed"}], indirect=True)
def test_files_are_uploaded_where_the_way_to_the_app_carries_them(opened: Visit) -> None:
    page = opened.page
    opened.choose("form")
    for name, value in (("name", "Ann"), ("about", "x"), ("age", "7"), ("config", "{}")):
        page.fill(f"#input-form-{name}", value)
    page.select_option("#input-form-color", "blue")
    page.check("#input-form-agree")
    text: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Hello"}
    picture: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": b"not really"}
    page.set_input_files("#input-form-document", text)
    page.set_input_files("#input-form-pictures", [picture, picture])
    opened.run()
    page.wait_for_selector(".outputs dt:text-is('color') + dd:text-is('blue')")
    assert "a.txt" in opened.answer().inner_text()
    opened.choose("completion")
    page.fill("#input-completion-query", "Hello")
    opened.run()
    page.wait_for_selector(".answer:not([aria-busy]):has-text('Hello')")
    check_clean(opened)

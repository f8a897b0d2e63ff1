"""Chats and runs that go another way than from a question to its answer."""

import json

import pytest
from playwright.sync_api import FilePayload, Route

from tests.browser.conftest import Visit

KEYED = pytest.mark.parametrize("visit", [{"endpoint": "keyed"}], indirect=True)
TEXT: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Hello"}
FOCUSED = "document.activeElement.id"


def filled_in(visit: Visit) -> None:
    """The form, but for its files."""
    visit.choose("form")
    for name, value in (("name", "Ann"), ("about", "x"), ("age", "7"), ("config", "{}")):
        visit.page.fill(f"#input-form-{name}", value)
    visit.page.select_option("#input-form-color", "blue")
    visit.page.check("#input-form-agree")


def test_a_conversation_begun_anew_during_a_run_has_nothing_of_the_old_one(opened: Visit) -> None:
    opened.slow_down()
    opened.choose("long")
    opened.say("go")
    opened.page.wait_for_selector(".answer:has-text('tok20')")
    opened.page.click("text=New conversation")
    opened.page.wait_for_timeout(100)
    with opened.page.expect_request("**/chat/long") as asked:
        opened.say("again")
    assert asked.value.post_data_json == {"query": "again", "response_mode": "streaming"}
    opened.page.wait_for_selector(".answer:has-text('tok20')")
    assert opened.page.locator(".message.answer").count() == 1


def test_another_app_and_another_language_leave_a_chat_as_it_was(opened: Visit) -> None:
    opened.choose("echo")
    opened.say("one")
    opened.page.wait_for_selector(".answer:not([aria-busy]):has-text('You said: one (turn 1)')")
    opened.page.fill("#query", "two")
    opened.choose("form")
    opened.page.select_option("#language", "pt_BR")
    opened.choose("echo")
    assert opened.page.inner_text(".composer button[type=submit]") == "Enviar"
    opened.page.select_option("#language", "en_US")
    assert opened.page.get_attribute("#query", "placeholder") == "Write a message"
    opened.run()
    opened.page.wait_for_selector(".answer:not([aria-busy]):has-text('You said: two (turn 2)')")
    assert opened.page.locator(".message.answer").count() == 2


def test_an_app_chosen_by_the_keyboard_keeps_the_focus(opened: Visit) -> None:
    opened.page.focus("#apps button:has-text('reasoning')")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#app h2:text-is('reasoning')")
    assert opened.page.evaluate("document.activeElement.getAttribute('aria-current')") == "true"
    assert opened.page.locator("#apps [aria-current]").count() == 1


def test_a_folded_form_opens_at_what_is_wrong_in_it(opened: Visit) -> None:
    page = opened.page
    opened.choose("form")
    page.click("details.inputs summary")
    opened.run()
    page.wait_for_selector(".composer .problem:has-text('name is needed.')")
    assert page.evaluate(FOCUSED) == "input-form-name"
    filled_in(opened)
    page.fill("#input-form-document", "not a url")
    page.click("details.inputs summary")
    opened.run()
    page.wait_for_selector(".composer .problem:has-text('document is not a link.')")
    assert page.is_visible("#input-form-document")
    assert page.evaluate(FOCUSED) == "input-form-document"
    page.fill("#input-form-age", "")
    page.type("#input-form-age", "e")
    opened.run()
    page.wait_for_selector(".composer .problem:has-text('age is not a number.')")
    assert [url for url in opened.asked if "/workflow/" in url] == []


def test_a_stream_that_breaks_is_told_from_an_endpoint_that_is_not_there(opened: Visit) -> None:
    opened.choose("echo")
    opened.page.evaluate(
        """() => {
          window.fetch = async () => new Response(new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode('event: text\\ndata: {"text": "half an answ"}\\n\\n'));
              setTimeout(() => controller.error(new TypeError("network error")), 50);
            },
          }));
        }"""
    )
    opened.say("one")
    opened.page.wait_for_selector(
        ".answer:has-text('half an answ') .note:has-text('The answer broke off before its end.')"
    )
    opened.page.evaluate("() => { window.fetch = async () => { throw new TypeError('Failed to fetch') } }")
    opened.say("two")
    opened.page.wait_for_selector(".answer .note:has-text('The endpoint could not be reached.')")


def test_where_the_endpoint_takes_its_own_page_for_anothers_the_way_out_is_told(opened: Visit) -> None:
    def refuse(route: Route) -> None:
        body = {"status": 403, "code": "origin_not_allowed", "detail": "A page of another site has sent this."}
        route.fulfill(status=403, content_type="application/problem+json", body=json.dumps(body))

    opened.page.route("**/chat/echo", refuse)
    opened.choose("echo")
    opened.say("hi")
    origin = opened.url.partition("/e/")[0]
    opened.page.wait_for_selector(f".answer .note:has-text('It takes HTTPS, or {origin} in the endpoint')")


@KEYED
def test_what_is_stopped_during_an_upload_asks_nothing(opened: Visit) -> None:
    opened.page.route("**/files/upload", lambda _: None)
    filled_in(opened)
    opened.page.set_input_files("#input-form-document", TEXT)
    opened.page.set_input_files("#input-form-pictures", TEXT)
    with opened.page.expect_request("**/files/upload"):
        opened.run()
    opened.page.click("button.stop")
    opened.page.wait_for_selector(".composer .problem:has-text('Stopped before the app was asked.')")
    assert [url for url in opened.asked if "/workflow/" in url] == []


@KEYED
def test_no_file_is_uploaded_for_a_form_that_is_not_right(opened: Visit) -> None:
    filled_in(opened)
    opened.page.set_input_files("#input-form-document", TEXT)
    opened.page.set_input_files("#input-form-pictures", TEXT)
    opened.page.fill("#input-form-config", "{bad")
    opened.run()
    opened.page.wait_for_selector(".composer .problem:has-text('config is not valid JSON.')")
    assert [url for url in opened.asked if url.endswith("/files/upload")] == []


def test_an_apps_titles_stand_below_the_pages_and_its_links_lead_away(opened: Visit) -> None:
    opened.choose("echo")
    opened.say("one\n\n# Title\n\n[console](http:/console/apps) [far](https://far.example/)")
    answer = opened.answer()
    assert answer.locator("h1").count() == 0
    assert [link.get_attribute("href") for link in answer.locator(".text a").all()][-1] == "https://far.example/"
    assert answer.locator("a[href*=console]").count() == 0

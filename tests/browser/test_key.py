"""How a key opens the page, and where it is kept."""

from playwright.sync_api import Route

from tests.browser.conftest import KEY, Visit

WRONG = "a-wrong-key-of-some-length"
STORED = "JSON.stringify(sessionStorage) + JSON.stringify(localStorage)"


def test_a_key_is_kept_for_the_tab_as_long_as_that_is_ticked(opened: Visit) -> None:
    page = opened.page
    assert KEY not in page.evaluate(STORED)
    page.check("#keep")
    assert KEY in page.evaluate("JSON.stringify(sessionStorage)")
    page.reload()
    page.wait_for_selector("#apps button")
    page.uncheck("#keep")
    assert KEY not in page.evaluate(STORED)
    assert page.evaluate("document.cookie") == ""


def test_a_key_that_opened_nothing_is_not_kept_nor_is_the_one_before(opened: Visit) -> None:
    page = opened.page
    page.check("#keep")
    opened.open_with(WRONG)
    page.wait_for_selector("#key-problem:has-text('The key is not valid.')")
    assert page.evaluate("sessionStorage.length") == 0
    opened.open_with(KEY)
    opened.wait_until("sessionStorage.length === 1")


def test_a_browser_is_not_asked_to_fill_in_a_password_of_this_origin(visit: Visit) -> None:
    assert visit.page.get_attribute("#key", "autocomplete") == "new-password"


def test_a_late_reply_to_an_earlier_key_opens_nothing(visit: Visit) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.headers.get("authorization") == f"Bearer {KEY}":
            held.append(route)
        else:
            route.continue_()

    visit.page.route(visit.url, hold)
    visit.open_with(KEY)
    visit.open_with(WRONG)
    visit.page.wait_for_selector("#key-problem:has-text('The key is not valid.')")
    with visit.page.expect_response(lambda response: response.ok):
        held[0].continue_()
    visit.page.wait_for_timeout(200)
    assert visit.page.is_hidden("#opened")
    assert visit.page.inner_text("#key-problem").startswith("The key is not valid.")


def test_a_wrong_key_ends_what_the_one_before_ran(opened: Visit) -> None:
    opened.slow_down()
    opened.choose("long")
    opened.say("go")
    opened.page.wait_for_selector(".answer:has-text('tok20')")
    opened.open_with(WRONG)
    opened.page.wait_for_selector("#key-problem:has-text('The key is not valid.')")
    opened.page.wait_for_selector(".message.answer:not([aria-busy])", state="attached")
    assert "tok4999" not in opened.page.inner_text(".log")


def test_a_key_that_no_header_takes_is_told_from_a_network_that_fails(visit: Visit) -> None:
    asked = len(visit.asked)
    visit.open_with("ключ-длинный-ключ-1234")
    visit.page.wait_for_selector("#key-problem:has-text('This key has characters that can\\'t be sent.')")
    assert len(visit.asked) == asked
    visit.page.route(visit.url, lambda route: route.abort())
    visit.open_with(KEY)
    visit.page.wait_for_selector("#key-problem:has-text('The endpoint could not be reached.')")


def test_a_reply_of_a_proxy_is_told_in_a_sentence_of_the_present_language(visit: Visit) -> None:
    visit.page.route(visit.url, lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    visit.open_with(KEY)
    visit.page.wait_for_selector(
        "#key-problem:has-text('Something else answered in the endpoint\\'s place (HTTP 502).')"
    )
    visit.page.select_option("#language", "zh_Hans")
    visit.page.wait_for_selector("#key-problem:has-text('答复的不是此端点')")


def test_that_a_key_has_opened_the_page_is_announced(opened: Visit) -> None:
    assert opened.page.inner_text("#key-opened[role=status]") == "Open. Apps: 16."


def test_faults_are_spoken_of_to_those_alone_who_are_told_of_them(visit: Visit) -> None:
    def without_faults(route: Route) -> None:
        answered = route.fetch()
        told = answered.json()
        del told["faults"]
        route.fulfill(response=answered, json=told)

    heading = "#health h3:text-is('Faults in the settings')"
    visit.open_with(KEY)
    visit.page.wait_for_selector(heading, state="attached")
    visit.page.route(visit.url, without_faults)
    visit.open_with(KEY)
    visit.page.wait_for_selector(heading, state="detached")

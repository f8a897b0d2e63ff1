"""The settings helper in a real browser; what it reads and writes is tested in tests/pages."""

import re

import pytest

from tests.browser.conftest import Visit
from tests.browser.test_page import PHONE, check_clean, serious_faults


@pytest.fixture
def helper(visit: Visit) -> Visit:
    visit.page.click("summary:has-text('Settings helper')")
    return visit


def test_the_settings_helper_writes_a_line_and_reads_one_without_a_key(helper: Visit) -> None:
    page = helper.page
    page.select_option("#builder-setting", "callers")
    page.fill("#builder-callers-1-name", "ann")
    page.fill("#builder-callers-1-apps", "support")
    page.fill("#builder-callers-1-key", "a-long-enough-key")
    page.wait_for_selector(".entries .fine:has-text('ann may call support and nothing else.')")
    assert page.input_value("#builder-line").startswith("ann(support)=sha256:")
    page.fill("#builder-line", "ann=a-key-that-is-readable")
    page.wait_for_selector(".entries .problem:has-text('A key does not belong here')")
    page.select_option("#builder-setting", "webhook_secrets")
    page.fill("#builder-webhook_secrets-1-alias", "support")
    page.select_option("#builder-webhook_secrets-1-scheme", "svix")
    page.click(".rows button:has-text('Make one')")
    page.wait_for_selector(".entries .fine:has-text('signed as svix signs')")
    assert serious_faults(helper) == []
    asked = [url for url in helper.asked if not re.search(r"/page/|/$", url)]
    assert asked == []
    check_clean(helper)


def test_no_two_rows_share_an_id_and_a_secret_is_made_as_its_own_row_says(helper: Visit) -> None:
    page = helper.page
    page.select_option("#builder-setting", "webhook_secrets")
    page.click("text=Add an entry")
    page.click(".rows fieldset >> nth=0 >> text=Remove")
    page.click("text=Add an entry")
    assert page.evaluate("[...document.querySelectorAll('.rows [id]')].length") == 6
    assert page.evaluate("new Set([...document.querySelectorAll('.rows [id]')].map((one) => one.id)).size") == 6
    first, second = page.locator(".rows fieldset").all()
    first.locator("[data-field=scheme]").select_option("github")
    second.locator("[data-field=scheme]").select_option("svix")
    second.locator("text=Make one").click()
    assert second.locator("[data-field=secret]").input_value().startswith("whsec_")
    first.locator("text=Make one").click()
    assert re.fullmatch("[0-9a-f]{48}", first.locator("[data-field=secret]").input_value())
    first.locator("[data-field=scheme]").select_option("stripe")
    assert first.locator("text=Make one").is_hidden()


def test_what_is_filled_in_is_added_to_a_pasted_line_and_both_outlast_the_language(helper: Visit) -> None:
    page = helper.page
    page.select_option("#builder-setting", "callers")
    page.fill("#builder-line", "ann(a)")
    page.fill("[data-field=name]", "bob")
    page.fill("[data-field=apps]", "b")
    page.wait_for_selector(".entries .fine >> nth=1")
    assert page.input_value("#builder-line") == "ann(a), bob(b)"
    page.select_option("#language", "ja_JP")
    assert page.input_value("#builder-line") == "ann(a), bob(b)"
    assert page.input_value("[data-field=name]") == "bob"
    page.fill("[data-field=apps]", "c")
    helper.wait_until("document.querySelector('#builder-line').value === 'ann(a), bob(c)'")


def test_without_https_no_line_is_shown_that_lacks_the_key(helper: Visit) -> None:
    page = helper.page
    page.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    page.select_option("#builder-setting", "callers")
    page.fill("[data-field=name]", "ann")
    page.fill("[data-field=apps]", "echo")
    page.wait_for_selector(".entries .fine")
    page.fill("[data-field=key]", "a-long-enough-key")
    page.wait_for_selector(".entries .problem:has-text('without HTTPS')")
    assert page.input_value("#builder-line") == ""


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
def test_it_fits_a_phone(helper: Visit) -> None:
    assert helper.page.evaluate("document.documentElement.scrollWidth") <= 380

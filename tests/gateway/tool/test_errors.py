"""What a failure says where there is no endpoint, no route and no setting run_timeout."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway import diagnosis, limits
from gateway.call import AppCall, Attachment
from gateway.errors import DuckError
from gateway.events import Kind
from gateway.fitting import with_declared
from gateway.limits import Limits
from gateway.settings import App, Fault
from gateway.slots import take_slot
from gateway.start import _needs_query, _wrong_kind_configured
from gateway.tool.credentials import _said_of
from gateway.tool.errors import invalid_credentials, tool_error
from gateway.uploads import links_only

CALL = AppCall(App("support", "0" * 8), "Hi", {}, "")
LIMITS = Limits(240, 600, 250, 300)


def raised(call: Callable[[], object]) -> DuckError:
    with pytest.raises(DuckError) as caught:
        call()
    return caught.value


def no_slot() -> DuckError:
    return raised(lambda: take_slot("a workspace whose tools hold all", 0, 0))


def no_place() -> DuckError:
    file = Attachment("https://files.example/a.pdf", "document", "input_file")
    call = replace(CALL, files=(file,))
    return raised(lambda: with_declared(call, (), takes_files=False, has_app_key=False))


ERRORS = {
    "a fault of the settings": Fault("apps", 1, "is wrong").as_error(),
    "a key that Dify refuses": diagnosis.from_service_reply(401, b"{}", "support", is_run=True),
    "a text generator": diagnosis.completion_not_supported(),
    "the daemon's limit of a run": limits.run_timeout_error(LIMITS),
    "the daemon's limit of a response": limits.response_timeout_error(LIMITS),
    "the daemon's own end of a run": diagnosis.read_timeout(),
    "the SDK's limit": limits.silence_timeout_error(LIMITS),
    "no query": _needs_query(Kind.CHAT),
    "a wrong kind in the settings": _wrong_kind_configured(CALL, Kind.CHAT),
    "no slot": no_slot(),
    "a file that is no link": links_only("inputs.photo"),
    "a file without a place": no_place(),
    "the storage": diagnosis.storage_unavailable(),
}


@pytest.mark.parametrize("name", ERRORS)
def test_no_failure_speaks_of_what_a_tool_does_not_have(name: str) -> None:
    text = str(tool_error(ERRORS[name], "a-request-id", with_cause=False))
    assert not re.search(r"endpoint|run_timeout|max_streams|route|/chat|OpenAI", text), text
    assert re.search(r"[a-z0-9_]\. [A-Z].+\.$", text), text  # a cause, and a remedy


def test_what_a_failure_says_is_fit_for_the_way() -> None:
    error = DuckError("app_failed", "It\u0085failed.", "Mend \ud800it.")
    assert str(tool_error(error, "a-request-id", with_cause=False)) == "It\nfailed. Mend ?it."
    assert str(invalid_credentials(["Bad\u0085", "\ud800"])) == "Bad\n ?"


def test_a_key_whose_address_answers_as_dify_does_for_another_path_is_told_of_the_address() -> None:
    error = diagnosis.from_service_reply(404, b'{"code": "not_found", "status": 404}', "support", is_run=False)
    assert _said_of(CALL.app, error) == "dify_api_url does not lead to Dify's Service API."

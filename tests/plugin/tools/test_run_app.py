"""The tool Run app: what it says of each kind of app, in which order, and what it says when that fails."""

import re
from typing import Any, Final

import pytest

from tests.plugin.tools.conftest import ANN, APPS, BOB, Toolbox
from workbench.apps import DEMO_APPS

EVERY_INPUT: Final[dict[str, Any]] = {
    "name": "Ann",
    "about": "-",
    "age": 7,
    "color": "red",
    "agree": True,
    "document": {"type": "document", "transfer_method": "remote_url", "url": "https://files.example/doc.txt"},
    "pictures": [{"type": "image", "transfer_method": "remote_url", "url": "https://files.example/cat.png"}],
    "config": {"a": 1},
}
ILLEGIBLE: Final = "a handle of nobody's"


# -- What it says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "parameters", "text", "outputs"),
    [
        pytest.param("echo", {"query": "Hi"}, "You said: Hi (turn 1)", {}, id="chat"),
        pytest.param("agent", {"query": "Hi"}, r"I will check the time. It is .* UTC. You said: Hi", {}, id="agent"),
        pytest.param("chatflow", {"query": "Hi"}, "You said: Hi .* (turn 1)", {}, id="chatflow"),
        pytest.param("workflow", {"inputs": {"text": "Hi"}}, "You wrote: Hi", {"text": "You wrote: Hi"}, id="workflow"),
        pytest.param("workflow", {"query": "Hi"}, "You wrote: Hi", {"text": "You wrote: Hi"}, id="workflow by a query"),
        pytest.param("fixed", {}, "This is a simple text response for testing.", None, id="workflow without inputs"),
    ],
)
def test_each_kind_of_app_answers(
    tools: Toolbox, alias: str, parameters: dict[str, Any], text: str, outputs: dict[str, Any] | None
) -> None:
    said = tools.run(alias=alias, **parameters)
    assert said.error == ""
    assert re.fullmatch(re.escape(text).replace(r"\.\*", ".*"), said.text)
    told = said.json
    assert told["status"] == "succeeded"
    assert told["outputs"] == ({"text": text} if outputs is None else outputs)
    assert bool(told["conversation_id"]) is (alias in ("echo", "agent", "chatflow"))
    assert said.variables == {name: told[name] for name in ("conversation_id", "status", "outputs")}


def test_the_json_comes_once_and_last_with_all_its_members(tools: Toolbox) -> None:
    said = tools.run(alias="echo", query="Hi")
    assert [message["type"] for message in said.messages if message["type"] != "text"] == [*["variable"] * 3, "json"]
    assert said.messages[-1]["type"] == "json"
    assert set(said.json) == {"status", "conversation_id", "outputs", "files", "sources", "usage"}
    assert set(said.json["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens", "latency"}


def test_text_is_said_while_the_app_goes_on(tools: Toolbox) -> None:
    with tools.lines(alias="endless", query="Hi") as lines:
        first, second = next(lines), next(lines)
    assert (first["data"]["type"], second["data"]["type"]) == ("text", "text")


def test_tokens_leave_together_and_none_is_lost(tools: Toolbox) -> None:
    said = tools.run(alias="long", query="Hi")
    assert said.text == "".join(f"tok{number} " for number in range(5000))
    assert len(said.of("text")) < 500


def test_a_replaced_answer_is_said_to_be_one_and_told_alone_in_the_json(tools: Toolbox) -> None:
    said = tools.run(alias="moderated", query="Hi")
    assert said.text.endswith("\n\n[The app replaced the text above:]\nOUTPUT BLOCKED by policy.")
    assert said.json["answer"] == "OUTPUT BLOCKED by policy."


def test_a_paused_run_says_that_a_human_is_awaited_and_gives_no_form_away(tools: Toolbox) -> None:
    said = tools.run(alias="paused", inputs={"text": "x"})
    assert said.text == "The app waits for a human, so it has given no answer yet. Someone has to answer it in Dify."
    assert said.json["status"] == "paused"
    assert "form_token" not in str(said.messages)


def test_what_a_model_thinks_is_no_part_of_the_answer(tools: Toolbox) -> None:
    said = tools.run(alias="reasoning", query="Hi")
    assert said.text == "After some thought: you said Hi"


def test_files_are_such_that_dify_fetches_them_behind_the_text(tools: Toolbox) -> None:
    said = tools.run(alias="form", inputs=EVERY_INPUT)
    files = [message for message in said.messages if message["type"] in ("link", "image")]
    assert files == [
        {"type": "image", "message": {"text": "https://files.example/doc.txt"}, "meta": {"mime_type": "text/plain"}},
        {"type": "image", "message": {"text": "https://files.example/cat.png"}, "meta": {"mime_type": "image/png"}},
    ]
    assert said.text.endswith("\n")
    assert [file["filename"] for file in said.json["files"]] == ["doc.txt", "cat.png"]


def test_an_answer_of_the_longest_lines_arrives_whole(tools: Toolbox) -> None:
    query = "\x01" * 500_000  # takes six times as much as JSON, and a line of 5 MiB would end the plugin
    said = tools.run(alias="echo", query=query)
    assert said.text == f"You said: {query} (turn 1)"
    assert max(len(message["text"]) for message in said.of("text")) <= 200_000


# -- Which app, and what it is given -------------------------------------------------------------------------------


def picked(alias: str, **inputs: Any) -> dict[str, Any]:
    """What Dify's picker gives."""
    return {"type": "app-selector", "app_id": DEMO_APPS[alias], "inputs": inputs, "files": []}


@pytest.mark.parametrize(
    ("parameters", "apps", "text"),
    [
        pytest.param({"app": picked("workflow", text="picked")}, "", "You wrote: picked", id="picked, with its inputs"),
        pytest.param(
            {"app": picked("workflow", text="picked"), "inputs": '{"text": "given"}'},
            "",
            "You wrote: given",
            id="inputs outrank the picker's",
        ),
        pytest.param(
            {"app": picked("failing"), "alias": "workflow", "query": "x"},
            APPS,
            "You wrote: x",
            id="an alias outranks it",
        ),
        pytest.param({"query": "x"}, f"only={DEMO_APPS['workflow']}", "You wrote: x", id="the only app"),
        pytest.param({"alias": DEMO_APPS["workflow"], "query": "x"}, APPS, "You wrote: x", id="a listed app's id"),
        pytest.param({"alias": " ", "app": picked("workflow"), "query": "x"}, APPS, "You wrote: x", id="a blank alias"),
        pytest.param(
            {"alias": None, "app": picked("workflow"), "query": "x", "inputs": None, "conversation_id": None},
            APPS,
            "You wrote: x",
            id="nulls are nothing",
        ),
        pytest.param({"alias": "workflow", "inputs": '{"text": "x"}'}, APPS, "You wrote: x", id="inputs as text"),
        pytest.param({"alias": "workflow", "inputs": str({"text": "x"})}, APPS, "You wrote: x", id="as Dify writes it"),
        pytest.param(
            {"alias": "workflow", "inputs": str({"text": "it's"})}, APPS, "You wrote: it's", id="a quote in it"
        ),
        pytest.param({"alias": "workflow", "inputs": " ", "query": "x"}, APPS, "You wrote: x", id="blank inputs"),
    ],
)
def test_the_app_and_its_inputs_are_found(tools: Toolbox, parameters: dict[str, Any], apps: str, text: str) -> None:
    said = tools.run(credentials={"apps": apps} if apps else {}, **parameters)
    assert (said.error, said.text) == ("", text)


def test_the_settings_of_a_listed_app_hold_also_when_it_is_picked(tools: Toolbox) -> None:
    apps = f'{{"named": {{"app_id": "{DEMO_APPS["form"]}", "kind": "workflow", "query": "about"}}}}'
    rest = {name: value for name, value in EVERY_INPUT.items() if name != "about"}
    said = tools.run(credentials={"apps": apps}, app=picked("form"), query="from the query", inputs=rest)
    assert said.json["outputs"]["about"] == "from the query"


def test_the_user_goes_to_the_input_that_takes_one_whatever_the_call_says(tools: Toolbox) -> None:
    apps = f'{{"named": {{"app_id": "{DEMO_APPS["workflow"]}", "user": "text"}}}}'
    said = tools.run(credentials={"apps": apps}, call={"user_id": ANN}, alias="named", inputs={"text": "Eve"})
    assert said.text == f"You wrote: {ANN}"


# -- How it fails --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        pytest.param(
            {"alias": "failing", "query": "x"},
            "The app failed while it was running. The app's log in Dify names the step that failed.",
            id="the app",
        ),
        pytest.param(
            {"alias": "nowhere", "query": "x"},
            "Dify does not find the app nowhere in the workspace that Duck is installed in. "
            "Its operator has to correct the app's id in Duck's settings.",
            id="a listed app that is not there",
        ),
        pytest.param(
            {"app": {"app_id": "x"}, "query": "x"},
            "The parameter 'app' does not hold an app. Pick it again.",
            id="no app in the picker's value",
        ),
        pytest.param(
            {"alias": "echo"},
            "This is a chat app, and the call has no query. "
            "Give the tool what the app needs: a query for a chat, inputs for a workflow.",
            id="a chat without a query",
        ),
        pytest.param(
            {"alias": "workflow", "inputs": "{text: x}"},
            "The parameter 'inputs' is not valid JSON: key must be a string at line 1 column 2. "
            "Send one JSON object in UTF-8.",
            id="inputs that are no JSON",
        ),
        pytest.param(
            {"alias": "workflow", "inputs": "[1]"},
            """The parameter 'inputs' is no JSON object. Give the app's inputs by name, such as {"topic": "ducks"}.""",
            id="inputs that are a list",
        ),
        pytest.param(
            {"alias": "workflow", "inputs": 7},
            """The parameter 'inputs' is no JSON object. Give the app's inputs by name, such as {"topic": "ducks"}.""",
            id="inputs that are a number",
        ),
        pytest.param(
            {"alias": "workflow", "inputs": "{'text': " + "[" * 200 + "]" * 200 + "}"},
            "The parameter 'inputs' is not valid JSON: key must be a string at line 1 column 2. "
            "Send one JSON object in UTF-8.",
            id="an object nested too deep",
        ),
        pytest.param(
            {"alias": "echo", "query": "   "},
            "This is a chat app, and the call has no query. "
            "Give the tool what the app needs: a query for a chat, inputs for a workflow.",
            id="a blank query",
        ),
        pytest.param({"alias": "echo", "query": 7}, "The parameter 'query' is no text. Give it as text.", id="query"),
        pytest.param(
            {"alias": "echo", "query": "x", "conversation_id": ILLEGIBLE},
            "There is no conversation with this conversation_id for this caller and app. "
            "Send the conversation_id that Duck gave for it, or leave it out to start a new one.",
            id="a conversation of nobody's",
        ),
    ],
)
def test_a_failure_says_in_a_sentence_what_is_wrong_and_what_to_do(
    tools: Toolbox, parameters: dict[str, Any], error: str
) -> None:
    assert tools.run(**parameters).error == error


@pytest.mark.parametrize(
    ("credentials", "parameters", "error"),
    [
        pytest.param(
            {"apps": f"a={DEMO_APPS['echo']}, b={DEMO_APPS['workflow']}"},
            {"alias": "c", "query": "x"},
            "The tool knows no app 'c'. Give one of these aliases: a, b.",
            id="an unknown alias",
        ),
        pytest.param(
            {"apps": ", ".join(f"a{number}={DEMO_APPS['echo'][:-2]}{number}" for number in range(10, 31))},
            {"alias": "c", "query": "x"},
            "The tool knows no app 'c'. Give one of the aliases that the tool list_apps tells, such as a10.",
            id="an unknown alias among many",
        ),
        pytest.param(
            {"apps": f"a={DEMO_APPS['echo']}, b={DEMO_APPS['workflow']}"},
            {"query": "x"},
            "The call names no app. Pick an app, or give one of these aliases: a, b.",
            id="no app of several",
        ),
        pytest.param(
            {"apps": f"a={DEMO_APPS['echo']}"},
            {"alias": DEMO_APPS["workflow"], "query": "x"},
            f"The tool knows no app '{DEMO_APPS['workflow']}'. Give one of these aliases: a.",
            id="the id of an app that is not listed",
        ),
        pytest.param(
            {},
            {"app": picked("nowhere"), "query": "x"},
            "Dify has no such app any more. Pick another one in the tool's settings.",
            id="a picked app that is not there",
        ),
        pytest.param(
            {},
            {"query": "x"},
            "The call names no app. Pick an app, or give an alias, once apps are listed in the tool's authorization, "
            "under Tools.",
            id="no app",
        ),
        pytest.param(
            {"apps": "a=nonsense"},
            {"alias": "a", "query": "x"},
            "Duck's settings have a fault: apps, entry 1: app_id is not an app's id (a UUID, as in the address of its "
            "page in Dify). Whoever has authorized Duck under Tools in Dify mends it there.",
            id="a faulty app",
        ),
        pytest.param(
            {"apps": f"a={DEMO_APPS['echo']}", "detail": "loud"},
            {"alias": "a", "query": "x"},
            "Duck's settings have a fault: detail: must be one of answer, progress, full. "
            "Whoever has authorized Duck under Tools in Dify mends it there.",
            id="a fault that governs every call",
        ),
    ],
)
def test_credentials_that_do_not_serve_are_told_of(
    tools: Toolbox, credentials: dict[str, str], parameters: dict[str, Any], error: str
) -> None:
    assert tools.run(credentials=credentials, **parameters).error == error


def test_what_the_app_reported_is_told_where_the_credentials_say_so(tools: Toolbox) -> None:
    without, with_it = (
        tools.run(credentials={"apps": APPS, "detail": detail}, alias="failing", query="x").error
        for detail in ("answer", "progress")
    )
    assert "It reported:" not in without
    assert "It reported:" in with_it


def test_what_was_said_before_a_failure_stays_said(tools: Toolbox) -> None:
    said = tools.run(alias="failing", query="x")
    assert said.text == "This much was done before it failed. "
    assert said.of("json") == []


@pytest.mark.parametrize(
    ("alias", "error_type"), [("failing", "InvokeServerUnavailableError"), ("none", "InvokeBadRequestError")]
)
def test_a_failure_is_of_a_type_whose_text_alone_dify_shows(tools: Toolbox, alias: str, error_type: str) -> None:
    assert tools.run(alias=alias, query="x").error_type == error_type


# -- Conversations -------------------------------------------------------------------------------------------------


def begun(tools: Toolbox, alias: str = "echo") -> str:
    handle: str = tools.run(call={"user_id": ANN}, alias=alias, query="one").json["conversation_id"]
    return handle


@pytest.mark.parametrize("alias", ["echo", "chatflow"])
def test_a_conversation_goes_on(tools: Toolbox, alias: str) -> None:
    handle = begun(tools, alias)
    said = tools.run(call={"user_id": ANN}, alias=alias, query="two", conversation_id=handle)
    assert (said.text.endswith("(turn 2)"), said.json["conversation_id"]) == (True, handle)


@pytest.mark.parametrize(
    ("call", "alias"),
    [
        pytest.param({"user_id": BOB}, "echo", id="another user"),
        pytest.param({"user_id": ANN}, "chatflow", id="another app"),
        pytest.param({"user_id": ANN, "workspace": "another"}, "echo", id="another workspace"),
    ],
)
def test_a_conversation_is_its_users_alone(tools: Toolbox, call: dict[str, str], alias: str) -> None:
    said = tools.run(call=call, alias=alias, query="two", conversation_id=begun(tools))
    assert said.error.startswith("There is no conversation with this conversation_id")


# -- By the app's own key ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "parameters", "text"),
    [
        ("echo", {"query": "Hi"}, "You said: Hi (turn 1)"),
        ("chatflow", {"query": "Hi"}, "You said: Hi This"),
        ("workflow", {"inputs": {"text": "Hi"}}, "You wrote: Hi"),
        ("completion", {"query": "Hi"}, "Hi"),
    ],
)
def test_an_app_with_a_key_is_called_at_the_service_api(
    tools: Toolbox, alias: str, parameters: dict[str, Any], text: str
) -> None:
    said = tools.run(credentials=tools.keys(alias), alias=alias, **parameters)
    assert (said.error, text in said.text) == ("", True)


def test_the_service_api_is_told_the_user_as_the_tools(tools: Toolbox) -> None:
    said = tools.run(credentials=tools.keys("mirror"), call={"user_id": ANN}, alias="mirror", query="Hi")
    assert f"tool:{ANN}" in said.text


def test_a_conversation_by_a_key_goes_on(tools: Toolbox) -> None:
    keys, call = tools.keys("echo"), {"user_id": ANN}
    handle = tools.run(credentials=keys, call=call, alias="echo", query="one").json["conversation_id"]
    said = tools.run(credentials=keys, call=call, alias="echo", query="two", conversation_id=handle)
    assert said.text == "You said: two (turn 2)"


def test_a_text_generator_needs_a_key(tools: Toolbox) -> None:
    said = tools.run(alias="completion", inputs={"query": "Hi", "tone": "dry"})
    assert "dify_api_keys" in said.error

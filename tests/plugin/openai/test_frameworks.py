"""What is built on the official client for Python, over either of OpenAI's APIs: `langchain-openai`, `openai-agents`,
and the command `llm`."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients.python import ENVIRONMENT, run_module
from tests.plugin.openai.conftest import (
    AFTER_THOUGHT,
    BROKEN_AFTER,
    FAILED_AFTER,
    HELLO,
    KEY,
    NODE_SAID,
    PROVIDER_SAID,
    SECOND_TURN,
    THOUGHT,
    TWO_TURNS,
    Outcomes,
    assert_pictures_arrived,
    outcomes,
)

APIS = ("chat", "responses")


@pytest.fixture(scope="module")
def langchain(base_url: str) -> Outcomes:
    return outcomes(run_module("framework_langchain", base_url, KEY))


@pytest.fixture(scope="module")
def agents(base_url: str) -> Outcomes:
    return outcomes(run_module("framework_agents", base_url, KEY))


LANGCHAIN_GIVES: dict[str, Any] = {
    "streamed": {"text": HELLO, "pieces": 5, "total_tokens": 10},
    "asynchronous": HELLO,
    "turns_by_header": SECOND_TURN,
    "turns_by_header_of_a_stream": SECOND_TURN,
    "history_without_a_conversation": "You said: User: one\n\nAssistant: You said one.\n\nUser: two (turn 1)",
    "tools_are_offered": HELLO,
}


@pytest.mark.parametrize("scenario", LANGCHAIN_GIVES)
@pytest.mark.parametrize("api", APIS)
def test_langchain_gives(langchain: Outcomes, api: str, scenario: str) -> None:
    assert langchain[f"{api} {scenario}"] == {"gave": LANGCHAIN_GIVES[scenario]}


@pytest.mark.parametrize("api", APIS)
def test_langchain_gives_text_usage_and_model(langchain: Outcomes, api: str) -> None:
    said = langchain[f"{api} plain"]["gave"]
    assert (said["text"], said["usage"]["total_tokens"], said["model"]) == (HELLO, 10, "echo")


@pytest.mark.parametrize("scenario", ["turns_by_previous_response", "turns_of_a_stream_by_previous_response"])
def test_langchain_goes_on_with_a_response(langchain: Outcomes, scenario: str) -> None:
    assert langchain[scenario] == {"gave": SECOND_TURN}


@pytest.mark.parametrize("scenario", ["reasoning", "reasoning_streamed"])
@pytest.mark.parametrize("api", APIS)
def test_langchain_gives_the_text_after_reasoning_which_it_reads_in_responses_only(
    langchain: Outcomes, api: str, scenario: str
) -> None:
    said = langchain[f"{api} {scenario}"]["gave"]
    thoughts = [["reasoning", THOUGHT]] if api == "responses" else []
    assert said == {"text": AFTER_THOUGHT, "blocks": [*thoughts, ["text", AFTER_THOUGHT]]}


@pytest.mark.parametrize("api", APIS)
def test_pictures_by_url_of_langchain_reach_the_inputs_that_take_them(langchain: Outcomes, api: str) -> None:
    assert_pictures_arrived(langchain[f"{api} image_by_url"]["gave"])


REFUSED = {
    "unknown_model": (404, "model_not_found"),
    "bad_key": (401, "invalid_api_key"),
    "completion_app": (400, "completion_not_supported"),
}
LANGCHAIN_CLASSES = {
    "unknown_model": "OpenAIModelNotFoundError",
    "bad_key": "OpenAIAuthenticationError",
    "completion_app": "OpenAIInvalidRequestError",
}
OPENAI_CLASSES = {
    "unknown_model": "NotFoundError",
    "bad_key": "AuthenticationError",
    "completion_app": "BadRequestError",
}


@pytest.mark.parametrize("scenario", REFUSED)
@pytest.mark.parametrize("api", APIS)
def test_langchain_and_agents_raise_by_class(langchain: Outcomes, agents: Outcomes, api: str, scenario: str) -> None:
    found = [
        (raised["class"], raised["status_code"], raised["code"])
        for raised in (client[f"{api} {scenario}"]["raised"] for client in (langchain, agents))
    ]
    assert found == [
        (LANGCHAIN_CLASSES[scenario], *REFUSED[scenario]),
        (OPENAI_CLASSES[scenario], *REFUSED[scenario]),
    ]


@pytest.mark.parametrize(
    ("scenario", "text", "cause"),
    [("broken_stream", BROKEN_AFTER, PROVIDER_SAID), ("failed_stream", FAILED_AFTER, NODE_SAID)],
)
@pytest.mark.parametrize(
    ("api", "classes"), [("chat", ["APIError"] * 2), ("responses", ["ValueError", "ModelBehaviorError"])]
)
def test_langchain_and_agents_raise_an_error_inside_a_stream_after_the_text(
    langchain: Outcomes, agents: Outcomes, api: str, classes: list[str], scenario: str, text: str, cause: str
) -> None:
    said = [client[f"{api} {scenario}"]["gave"] for client in (langchain, agents)]
    assert [one["text"] for one in said] == [text, text]
    assert [one["raised"]["class"] for one in said] == classes
    assert all(cause in one["raised"]["message"] for one in said)


AGENTS_GIVE: dict[str, Any] = {
    "plain": {"text": HELLO, "tokens": [5, 5, 10]},
    "streamed": {"pieces": 5, "text": HELLO},
    "turns_by_chat_id": TWO_TURNS,
    "turns_by_chat_id_streamed": TWO_TURNS,
    "history_without_a_conversation": (
        "You said: User: one\n\nAssistant: You said: one (turn 1)\n\nUser: two (turn 1)"
    ),
    "reasoning": {"thoughts": [THOUGHT], "text": AFTER_THOUGHT},
    "reasoning_streamed": {"thoughts": [THOUGHT], "text": AFTER_THOUGHT},
    "tools_are_offered": HELLO,
}


@pytest.mark.parametrize("scenario", AGENTS_GIVE)
@pytest.mark.parametrize("api", APIS)
def test_agents_give(agents: Outcomes, api: str, scenario: str) -> None:
    assert agents[f"{api} {scenario}"] == {"gave": AGENTS_GIVE[scenario]}


@pytest.mark.parametrize("scenario", ["turns_by_previous_response", "turns_of_a_stream_by_previous_response"])
def test_agents_go_on_with_a_response(agents: Outcomes, scenario: str) -> None:
    assert agents[scenario] == {"gave": SECOND_TURN}


@pytest.mark.parametrize("api", APIS)
def test_pictures_by_url_of_agents_reach_the_inputs_that_take_them(agents: Outcomes, api: str) -> None:
    assert_pictures_arrived(agents[f"{api} image_by_url"]["gave"])


@dataclass(frozen=True)
class Llm:
    """The command, with a home of its own."""

    home: Path

    def __call__(self, *arguments: str, key: str = KEY) -> tuple[int, str, str]:
        """Exit code, what it printed, and what it complained of."""
        done = subprocess.run(
            [str(ENVIRONMENT / "llm"), "prompt", *arguments, "--key", key],
            env={**os.environ, "LLM_USER_PATH": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.removesuffix("\n"), done.stderr.removesuffix("\n")


@pytest.fixture(scope="module")
def llm(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Llm:
    """Each app is a model `chat-APP` and a model `responses-APP`, whose calls are all in one chat of the client's."""
    home = tmp_path_factory.mktemp("llm")
    models = [
        {
            "model_id": f"{api}-{app}",
            "model_name": app,
            "api_base": base_url,
            "api_key_name": "duck",
            "responses": api == "responses",
            "reasoning": api == "responses" and app == "reasoning",
            "vision": app == "form",
            "headers": {"X-OpenWebUI-Chat-Id": f"{home.name}-{api}"},
        }
        for api in APIS
        for app in ("echo", "reasoning", "form", "workflow", "completion", "broken", "no-such-app")
    ]
    (home / "extra-openai-models.yaml").write_text(yaml.safe_dump(models), "utf-8")
    return Llm(home)


@pytest.mark.parametrize("api", APIS)
def test_llm_streams_an_answer_and_goes_on_with_its_conversation(llm: Llm, api: str) -> None:
    assert llm("-m", f"{api}-echo", "one") == (0, TWO_TURNS[0], "")
    code, said, usage = llm("-m", f"{api}-echo", "--continue", "--no-stream", "--usage", "two")
    assert (code, said) == (0, TWO_TURNS[1])
    assert usage.startswith("Token usage: 5 input, 5 output")


def test_llm_shows_the_reasoning_of_a_response(llm: Llm) -> None:
    assert llm("-m", "responses-reasoning", "Hello") == (0, AFTER_THOUGHT, THOUGHT)
    assert llm("-m", "chat-reasoning", "Hello") == (0, AFTER_THOUGHT, "")


@pytest.mark.parametrize("api", APIS)
def test_pictures_by_url_of_llm_reach_the_inputs_that_take_them(llm: Llm, api: str) -> None:
    pictures = [part for name in ("cat", "dog") for part in ("--at", f"https://files.example/{name}.png", "image/png")]
    code, said, _ = llm("-m", f"{api}-form", "Look", *pictures)
    shown = [f"![{name}.png](https://files.example/{name}.png)" for name in ("dog", "cat")]
    assert (code, said.split("\n")[:7]) == (0, ["Duck", "Look", "41", "red", "True", *shown])


@pytest.mark.parametrize(
    ("model", "key", "status", "words"),
    [
        pytest.param("chat-no-such-app", KEY, 404, "no model of this name", id="unknown model"),
        pytest.param("chat-echo", "not-the-key", 401, "Incorrect API key provided", id="bad key"),
        pytest.param("chat-completion", KEY, 400, "completion app", id="completion app"),
    ],
)
def test_llm_says_why_a_call_was_refused(llm: Llm, model: str, key: str, status: int, words: str) -> None:
    code, said, complaint = llm("-m", model, "Hello", key=key)
    assert (code, said) == (1, "")
    assert complaint.startswith(f"Error: Error code: {status} - ")
    assert words in complaint


def test_llm_says_why_a_stream_broke(llm: Llm) -> None:
    code, said, complaint = llm("-m", "chat-broken", "Hello")
    assert (code, said) == (1, BROKEN_AFTER)
    assert PROVIDER_SAID in complaint


def test_llm_takes_a_workflow_as_a_stream_and_as_one_body(llm: Llm) -> None:
    """It takes no body without usage."""
    assert llm("-m", "chat-workflow", "Hello") == (0, "You wrote: Hello", "")
    assert llm("-m", "chat-workflow", "--no-stream", "Hello") == (0, "You wrote: Hello", "")

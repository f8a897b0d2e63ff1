from contextlib import ExitStack

import pytest

from gateway.errors import DuckError
from gateway.tool.nesting import MAX_DEPTH, level

APP, OTHER = "an app", "another app"


def test_a_chat_that_calls_itself_in_its_own_run_is_stopped_at_the_stated_depth() -> None:
    with ExitStack() as calls:
        conversation_id = "the user's own"
        for depth in range(1, MAX_DEPTH + 1):
            entered = calls.enter_context(level(APP, calling_app=APP, conversation_id=conversation_id))
            assert entered.depth == depth
            conversation_id = entered.conversation_id = f"begun at {depth}"
        with pytest.raises(DuckError) as raised, level(APP, calling_app=APP, conversation_id=conversation_id):
            pass
    assert raised.value.code == "forbidden"
    assert "5 levels deep" in raised.value.message


def test_chats_in_a_ring_are_stopped_too() -> None:
    with ExitStack() as calls:
        conversation_id = ""
        for depth in range(MAX_DEPTH):
            called, calling = (APP, OTHER) if depth % 2 else (OTHER, APP)
            entered = calls.enter_context(level(called, calling_app=calling, conversation_id=conversation_id))
            conversation_id = entered.conversation_id = f"of {depth}"
        with pytest.raises(DuckError), level(APP, calling_app=OTHER, conversation_id=conversation_id):
            pass


def test_chats_of_different_conversations_do_not_count_for_each_other() -> None:
    with ExitStack() as calls:
        for user in range(3 * MAX_DEPTH):
            entered = calls.enter_context(level(APP, calling_app=APP, conversation_id=f"of user {user}"))
            entered.conversation_id = f"begun for user {user}"
            assert entered.depth == 1


def test_a_workflow_that_calls_itself_is_counted_with_all_its_runs() -> None:
    with ExitStack() as calls:
        for depth in range(1, MAX_DEPTH + 1):
            assert calls.enter_context(level(APP, calling_app=APP, conversation_id="")).depth == depth
        with pytest.raises(DuckError) as raised, level(APP, calling_app=APP, conversation_id=""):
            pass
    assert "5 such calls of it are under way" in raised.value.message


@pytest.mark.parametrize("calling", [OTHER, ""], ids=["another app", "an app that Dify does not name"])
def test_an_app_that_others_call_is_not_bounded(calling: str) -> None:
    with ExitStack() as calls:
        for _ in range(3 * MAX_DEPTH):
            assert calls.enter_context(level(APP, calling_app=calling, conversation_id="")).depth == 1


def test_a_call_that_has_ended_counts_no_more_also_one_that_failed() -> None:
    def call_that_fails() -> None:
        with level(APP, calling_app=APP, conversation_id="") as entered:
            raise KeyError(entered.depth)

    for _ in range(2 * MAX_DEPTH):
        with pytest.raises(KeyError, match=r"^1$"):
            call_that_fails()

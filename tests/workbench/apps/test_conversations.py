import pytest

from workbench.app import Invocation, Refused
from workbench.apps.conversations import Conversations


def _call(user: str, conversation_id: str = "") -> Invocation:
    return Invocation("app", "hi", {}, conversation_id, user)


def test_a_conversation_goes_on_for_its_own_user() -> None:
    conversations = Conversations(forgiving=False)
    first = conversations.next_turn(_call("ann"))
    second = conversations.next_turn(_call("ann", first.conversation_id))
    assert (second.conversation_id, second.number, second.user) == (first.conversation_id, 2, "ann")


def test_a_chat_refuses_the_conversation_of_another_user() -> None:
    conversations = Conversations(forgiving=False)
    first = conversations.next_turn(_call("ann"))
    with pytest.raises(Refused) as refusal:
        conversations.next_turn(_call("bob", first.conversation_id))
    assert (refusal.value.status, refusal.value.message) == (400, "")


def test_a_chatflow_starts_a_new_one_for_another_user() -> None:
    conversations = Conversations(forgiving=True)
    first = conversations.next_turn(_call("ann"))
    second = conversations.next_turn(_call("bob", first.conversation_id))
    assert second.conversation_id != first.conversation_id
    assert second.number == 1

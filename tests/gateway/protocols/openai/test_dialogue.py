from typing import Final

import pytest

from gateway.call import Attachment, Message
from gateway.errors import DuckError
from gateway.protocols.openai.dialogue import Dialogue, Said, read_dialogue


def said(*messages: tuple[str, object]) -> list[Said]:
    return [Said(role, content, f"messages[{index}].content") for index, (role, content) in enumerate(messages)]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(said(("user", "hi")), Dialogue("hi", (), (), ""), id="one message"),
        pytest.param(
            said(("user", "a"), ("assistant", "b"), ("user", "c")),
            Dialogue("c", (), (Message("user", "a"), Message("assistant", "b")), ""),
            id="the last of the user is the query",
        ),
        pytest.param(
            said(("user", "a"), ("user", "b")), Dialogue("b", (), (Message("user", "a"),), ""), id="two in a row"
        ),
        pytest.param(
            said(("user", "a"), ("assistant", "b")),
            Dialogue("a", (), (), ""),
            id="what comes after the query is left out",
        ),
        pytest.param(
            said(("system", "be brief"), ("developer", "be kind"), ("user", "a")),
            Dialogue("a", (), (), "be brief\n\nbe kind"),
            id="who instructs is no part of the conversation",
        ),
        pytest.param(
            said(("user", "a"), ("system", "be brief")), Dialogue("a", (), (), "be brief"), id="instructions at the end"
        ),
        pytest.param(
            said(("user", "a"), ("assistant", ""), ("tool", "42"), ("function", "43"), ("user", "b")),
            Dialogue("b", (), (Message("user", "a"),), ""),
            id="calls of tools, and what these said, are none of the app's",
        ),
        pytest.param(said(("system", ""), ("user", "")), Dialogue("", (), (), ""), id="empty texts"),
        pytest.param(
            said(("critic", "no"), ("User", "no"), ("user", "a")), Dialogue("a", (), (), ""), id="roles nobody knows"
        ),
    ],
)
def test_messages_are(messages: list[Said], expected: Dialogue) -> None:
    assert read_dialogue(messages, "messages") == expected


PICTURE: Final = {"type": "image_url", "image_url": {"url": "https://x/y"}}
BYTES: Final = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
STRANGE: Final = {"type": "thinking", "thinking": "hm", "signature": "x"}


def test_the_files_are_those_of_the_query() -> None:
    messages = said(("user", ["a", PICTURE]), ("assistant", "b"), ("user", ["c", PICTURE]))
    expected = Dialogue(
        "c",
        (Attachment("image", "https://x/y", "messages[2].content[1]"),),
        (Message("user", "a"), Message("assistant", "b")),
        "",
    )
    assert read_dialogue(messages, "messages") == expected


@pytest.mark.parametrize(
    "part", [BYTES, STRANGE, {"type": []}, 5, None], ids=["bytes", "strange", "no type", "5", "null"]
)
@pytest.mark.parametrize("role", ["user", "assistant", "system", "tool"])
def test_an_earlier_message_may_hold_what_no_app_could_take(role: str, part: object) -> None:
    """It was another model's, or an error's that the user has got over."""
    dialogue = read_dialogue(said((role, [{"type": "text", "text": "a"}, part]), ("user", "b")), "messages")
    assert dialogue.query == "b"
    assert dialogue.history == ((Message(role, "a"),) if role in ("user", "assistant") else ())
    assert dialogue.instructions == ("a" if role == "system" else "")


@pytest.mark.parametrize("content", [5, {"a": 1}, True], ids=["a number", "an object", "true"])
def test_an_earlier_message_of_no_form_says_nothing(content: object) -> None:
    assert read_dialogue(said(("assistant", content), ("user", "b")), "messages").history == ()


def test_the_query_must_be_readable() -> None:
    part = STRANGE
    with pytest.raises(DuckError, match=r"'messages\[1\]\.content\[0\]'"):
        read_dialogue(said(("user", "a"), ("user", [part])), "messages")


@pytest.mark.parametrize("place", ["messages", "input"])
@pytest.mark.parametrize(
    "messages", [[], said(("system", "a")), said(("assistant", "a"))], ids=["none", "system", "assistant"]
)
def test_without_a_message_of_the_user_it_is_a_400(messages: list[Said], place: str) -> None:
    with pytest.raises(DuckError) as refusal:
        read_dialogue(messages, place)
    assert (refusal.value.code, refusal.value.status) == ("invalid_request", 400)
    assert refusal.value.message == f"'{place}' has no message of the role user."

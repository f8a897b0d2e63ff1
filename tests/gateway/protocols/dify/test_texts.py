"""Text by template: to the byte what each event would be by itself."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.detail import Detail
from gateway.protocols.dify.shown import shown
from gateway.protocols.dify.texts import Texts
from gateway.wire import json_bytes
from tests.gateway.protocols.dify.dify_replies import view_at

TEXTS = st.text() | st.sampled_from(["\0", '"', "\\", "\ud800"])
IDS = st.sampled_from(["", "a", "b", '"answer":"'])

MESSAGES = st.fixed_dictionaries(
    {"event": st.sampled_from(["message", "agent_message"]), "answer": TEXTS},
    optional={"id": IDS, "message_id": IDS, "conversation_id": IDS, "from_variable_selector": st.lists(IDS)},
)
CHUNKS = st.builds(
    lambda text, more: {"workflow_run_id": "r", "data": {"text": text, **more}, "event": "text_chunk"},
    TEXTS,
    st.dictionaries(st.just("from_variable_selector"), st.lists(IDS)),
)


@given(st.lists(MESSAGES | CHUNKS), st.sampled_from(Detail))
def test_each_event_is_what_it_would_be_by_itself(events: list[dict[str, Any]], detail: Detail) -> None:
    view = view_at(detail)
    texts = Texts(view)
    for event in events:
        assert texts.json(event) == json_bytes(shown(event, view))


@pytest.mark.parametrize(
    "event",
    [
        {"event": "message"},
        {"event": "message", "answer": None},
        {"event": "message", "answer": ["a"]},
        {"event": "text_chunk", "data": {}},
        {"event": "text_chunk", "data": "a"},
        {"event": "message", "answer": "a", "id": "\0"},
    ],
    ids=str,
)
def test_what_fits_no_template_is_left_to_others(event: dict[str, Any]) -> None:
    assert Texts(view_at(Detail.FULL)).json(event) is None

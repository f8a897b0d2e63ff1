from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Attachment
from gateway.errors import DuckError
from gateway.protocols.openai.content import Content, read_content
from tests.gateway.mutations import json_values

URL: Final = "https://files.example.com/a.png"
PART: Final = "messages[0].content[0]"
DATA: Final = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("hi", "hi", id="a string"),
        pytest.param("", "", id="an empty string"),
        pytest.param(None, "", id="null, as beside tool calls"),
        pytest.param([], "", id="no parts"),
        pytest.param([{"type": "text", "text": "hi"}], "hi", id="one part"),
        pytest.param([{"type": "text", "text": "a\n"}, {"type": "text", "text": "b"}], "a\nb", id="joined as they are"),
        pytest.param([{"type": "input_text", "text": "hi"}], "hi", id="Responses, what the user says"),
        pytest.param([{"type": "output_text", "text": "hi", "annotations": []}], "hi", id="Responses, what was said"),
        pytest.param(["a", "b"], "ab", id="plain strings"),
        pytest.param([{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}], "a", id="a refusal"),
        pytest.param([{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "a"}], "a", id="thoughts"),
        pytest.param([{"type": "summary_text", "text": "hm"}, "a"], "a", id="a summary of thoughts"),
    ],
)
def test_text_is(content: object, expected: str) -> None:
    assert read_content(content, "messages[0].content") == Content(expected, ())


@pytest.mark.parametrize(
    ("part", "type_"),
    [
        pytest.param({"type": "image_url", "image_url": {"url": URL, "detail": "low"}}, "image", id="an image"),
        pytest.param({"type": "image_url", "image_url": URL}, "image", id="an image, flat"),
        pytest.param({"type": "image_url", "url": URL}, "image", id="an image, by url"),
        pytest.param({"type": "input_image", "image_url": URL, "detail": "auto"}, "image", id="Responses, an image"),
        pytest.param({"type": "input_file", "file_url": URL}, "image", id="Responses, a file that is an image"),
        pytest.param({"type": "file", "file": {"file_url": URL, "filename": "a"}}, "image", id="a file"),
        pytest.param({"type": "file", "file": {"url": URL}}, "image", id="a file, by url"),
        pytest.param({"type": "file", "file": {"file_data": URL}}, "image", id="a file, in the bytes' place"),
        pytest.param({"type": "file", "file": {"file_id": URL}}, "image", id="a file, in the id's place"),
        pytest.param({"type": "input_audio", "input_audio": {"data": URL}}, "audio", id="sound, in the bytes' place"),
        pytest.param({"type": "audio_url", "audio_url": {"url": URL}}, "audio", id="sound"),
        pytest.param(
            {"type": "input_audio", "input_audio": {"url": URL, "format": "mp3"}}, "audio", id="sound, by url"
        ),
    ],
)
def test_a_link_is_a_file_of_the_parts_type(part: dict[str, Any], type_: str) -> None:
    expected = Content("", (Attachment(type_, URL, PART),))
    assert read_content([part], "messages[0].content") == expected


@pytest.mark.parametrize(
    ("ending", "type_"),
    [
        pytest.param(".pdf", "document", id="a document"),
        pytest.param("", "document", id="none"),
        pytest.param(".unknown", "document", id="an unknown one"),
        pytest.param(".JPG?sign=a.pdf", "image", id="an image, signed"),
        pytest.param(".mp3", "audio", id="sound"),
        pytest.param(".mp4", "video", id="a film"),
    ],
)
def test_a_file_is_what_its_link_ends_in(ending: str, type_: str) -> None:
    (file,) = read_content([{"type": "file", "file": {"url": f" https://x/a{ending} "}}], "c").files
    assert (file.type, file.url) == (type_, f"https://x/a{ending}")


SOUND: Final = "data:audio/mpeg;base64,UklGRg=="


@pytest.mark.parametrize(
    ("part", "type_", "url"),
    [
        pytest.param({"type": "image_url", "image_url": {"url": DATA}}, "image", DATA, id="an image"),
        pytest.param({"type": "input_image", "image_url": DATA}, "image", DATA, id="Responses, an image"),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "mp3"}}, "audio", SOUND, id="sound"
        ),
        pytest.param(
            {"type": "input_audio", "input_audio": {"data": "UklGRg=="}},
            "audio",
            SOUND.replace("mpeg", "wav"),
            id="sound of no format",
        ),
        pytest.param({"type": "file", "file": {"file_data": DATA}}, "image", DATA, id="a file that is an image"),
        pytest.param(
            {"type": "input_file", "file_data": "data:application/pdf;base64,AA=="},
            "document",
            "data:application/pdf;base64,AA==",
            id="Responses, a file",
        ),
    ],
)
def test_bytes_are_a_data_url(part: dict[str, Any], type_: str, url: str) -> None:
    assert read_content([part], "messages[0].content").files == (Attachment(type_, url, PART),)


def test_text_and_files_keep_their_order_and_their_places() -> None:
    link = {"type": "image_url", "image_url": {"url": URL}}
    content = read_content(
        [{"type": "text", "text": "a"}, link, {"type": "text", "text": "b"}, link], "input[2].content"
    )
    assert content == Content(
        "ab", (Attachment("image", URL, "input[2].content[1]"), Attachment("image", URL, "input[2].content[3]"))
    )


@pytest.mark.parametrize("scheme", ["http://", "https://", "HTTPS://"])
def test_a_link_is_http_or_https(scheme: str) -> None:
    (file,) = read_content([{"type": "image_url", "image_url": {"url": f"{scheme}x/y"}}], "c").files
    assert file.url == f"{scheme}x/y"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"type": "input_image", "file_id": "file-abc"}, id="Responses, an uploaded file"),
        pytest.param({"type": "file", "file": {"file_id": "file-abc"}}, id="an uploaded file"),
        pytest.param({"type": "image_url", "image_url": {"url": ""}}, id="an empty link"),
        pytest.param({"type": "image_url", "image_url": {"url": 5}}, id="no link"),
        pytest.param({"type": "image_url"}, id="nothing"),
        pytest.param({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, id="another scheme"),
        pytest.param({"type": "image_url", "image_url": {"url": "/files/a.png"}}, id="a path"),
    ],
)
def test_a_file_without_a_link_or_bytes_is_a_400_that_names_the_part_and_the_remedy(part: dict[str, Any]) -> None:
    with pytest.raises(DuckError) as refusal:
        read_content([part], "messages[0].content")
    error = refusal.value
    assert (error.code, error.status) == ("files_not_supported", 400)
    assert error.remedy.startswith("Send a link that Dify can reach")
    assert f"'{PART}'" in error.message
    assert not any(sent in error.message for sent in ("passwd", "file-abc"))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        pytest.param(5, "messages[0].content", id="a number"),
        pytest.param({"type": "text", "text": "a"}, "messages[0].content", id="a part without its list"),
        pytest.param([5], PART, id="a number for a part"),
        pytest.param([None], PART, id="null for a part"),
        pytest.param([{"type": "text"}], f"{PART}.text", id="a text part without a text"),
        pytest.param([{"type": "text", "text": None}], f"{PART}.text", id="a text part with null"),
        pytest.param([{"type": "text", "text": ["a"]}], f"{PART}.text", id="a text part with a list"),
        pytest.param([{"type": "video_url", "video_url": {"url": URL}}], PART, id="a type that nobody knows"),
        pytest.param([{"text": "a"}], PART, id="no type"),
        pytest.param([{"type": ["text"], "text": "a"}], PART, id="a type that is no name"),
        pytest.param(["a", {"type": "video"}], "messages[0].content[1]", id="the second part"),
    ],
)
def test_what_can_not_be_read_is_a_400_that_names_its_place(content: object, place: str) -> None:
    with pytest.raises(DuckError) as refusal:
        read_content(content, "messages[0].content")
    assert (refusal.value.code, refusal.value.status) == ("invalid_request", 400)
    assert f"'{place}'" in refusal.value.message


_TYPES: Final = st.sampled_from(["text", "input_text", "image_url", "input_image", "input_audio", "file", "refusal"])


@given(
    content=json_values
    | st.lists(
        st.fixed_dictionaries(
            {"type": _TYPES | json_values},
            optional={"text": json_values, "image_url": json_values, "file": json_values},
        ),
        max_size=3,
    )
)
def test_any_content_is_read_or_refused(content: object) -> None:
    try:
        assert isinstance(read_content(content, "c").text, str)
    except DuckError as refusal:
        assert refusal.status == 400  # noqa: PT017 - a refusal is one of two good ends

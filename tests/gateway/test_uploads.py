import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

import pytest

from gateway.call import AppCall, Attachment
from gateway.errors import DuckError
from gateway.settings import App
from gateway.transports.interface import AppTransport
from gateway.uploads import MOST_UPLOADS, with_uploads

PNG = base64.b64encode(b"png").decode()
APP = App("support", "11111111-1111-4111-8111-111111111111")


@dataclass
class FakeWay:
    """A way to Dify that keeps what it was given."""

    has_app_key: bool = True
    parameters_of: list[str] = field(default_factory=list)
    given: list[tuple[str, bytes, str]] = field(default_factory=list)

    def upload(self, filename: str, content: bytes, mime_type: str) -> str:
        self.given.append((filename, content, mime_type))
        return f"upload-{len(self.given)}"

    def parameters(self, app_id: str) -> dict[str, Any]:
        self.parameters_of.append(app_id)
        return {"system_parameters": {"image_file_size_limit": 1, "file_size_limit": 2}}


def in_dify(upload_id: str) -> dict[str, Any]:
    return {"type": "custom", "transfer_method": "local_file", "upload_file_id": upload_id}


def uploaded(
    way: FakeWay,
    *files: Attachment,
    items: tuple[dict[str, Any], ...] = (),
    inputs: Mapping[str, Any] = MappingProxyType({}),
) -> AppCall:
    call = AppCall(APP, "hi", inputs, "", files=files, dify_files=items)
    return with_uploads(call, cast(AppTransport, way))


@pytest.mark.parametrize(
    ("url", "given"),
    [
        pytest.param(f"data:image/png;base64,{PNG}", ("file.png", b"png", "image/png"), id="base64"),
        pytest.param(f"DATA:IMAGE/PNG;BASE64,{PNG}", ("file.png", b"png", "image/png"), id="in capitals"),
        pytest.param("data:text/plain;charset=utf-8,a%20b", ("file.txt", b"a b", "text/plain"), id="percent-encoded"),
        pytest.param("data:,a", ("file.txt", b"a", "text/plain"), id="without a type"),
        pytest.param("data:what/ever;base64,AA==", ("file", b"\0", "what/ever"), id="a type without an ending"),
    ],
)
def test_bytes_are_given_to_dify_before_the_run(url: str, given: tuple[str, bytes, str]) -> None:
    way = FakeWay()
    item = {"type": "custom", "transfer_method": "remote_url", "url": url}
    inputs = {"one": item, "many": [{**item, "url": None, "remote_url": url}], "city": url}
    call = uploaded(way, Attachment("document", url, "p"), items=(item,), inputs=inputs)
    assert (way.given, way.parameters_of) == ([given] * 4, [APP.app_id])
    assert call.files == (Attachment("document", "", "p", "upload-1"),)
    assert call.dify_files == (in_dify("upload-2"),)
    assert call.inputs == {"one": in_dify("upload-3"), "many": [in_dify("upload-4")], "city": url}


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (Attachment("image", "data:text/html,<script>", "p"), "invalid_request"),
        (Attachment("image", f"data:image/png;base64,{'A' * 1_500_000}", "p"), "payload_too_large"),
        (Attachment("document", f"data:text/plain,{'A' * 2_500_000}", "p"), "payload_too_large"),
    ],
    ids=["of another type", "a picture over its limit", "a file over its limit"],
)
def test_what_dify_would_refuse_is_not_sent(file: Attachment, code: str) -> None:
    way = FakeWay()
    with pytest.raises(DuckError, match=code):
        uploaded(way, file)
    assert way.given == []


def test_a_call_with_too_many_files_sends_none() -> None:
    way, file = FakeWay(), Attachment("image", f"data:image/png;base64,{PNG}", "p")
    with pytest.raises(DuckError, match="payload_too_large"):
        uploaded(way, *[file] * (MOST_UPLOADS + 1))
    assert way.given == []
    item = {"type": "custom", "transfer_method": "remote_url", "url": file.url}
    with pytest.raises(DuckError, match="payload_too_large"):
        uploaded(way, inputs={"deep": [[item] * (MOST_UPLOADS + 1)]})
    assert way.given == []
    uploaded(way, *[file] * MOST_UPLOADS)
    assert len(way.given) == MOST_UPLOADS


def test_links_and_ids_stay_as_they_are() -> None:
    way = FakeWay()
    link, item = Attachment("image", "https://x/y", "p"), {"type": "image", "upload_file_id": "u"}
    call = uploaded(way, link, items=(item,))
    assert (call.files, call.dify_files, way.given) == ((link,), (item,), [])


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,", "data:image/png;base64,%%%", "data:image/png", "data:image/png;base64,A"]
)
def test_a_data_url_that_holds_nothing_is_a_400_that_names_the_part(url: str) -> None:
    with pytest.raises(DuckError, match="invalid_request") as refusal:
        uploaded(FakeWay(), Attachment("image", url, "messages[0].content[1]"))
    assert "'messages[0].content[1]'" in refusal.value.message
    assert refusal.value.status == 400


def test_without_an_apps_key_bytes_are_a_400_that_names_the_part_and_the_remedy() -> None:
    with pytest.raises(DuckError, match="files_not_supported") as refusal:
        uploaded(FakeWay(has_app_key=False), Attachment("image", f"data:image/png;base64,{PNG}", "input[0]"))
    assert "'input[0]'" in refusal.value.message
    assert "dify_api_keys" in refusal.value.remedy
    assert PNG not in str(vars(refusal.value))

from typing import Any

import pytest

from gateway.errors import DuckError
from gateway.protocols.dify.files import linked_files


@pytest.mark.parametrize(
    ("item", "member"),
    [
        ({"transfer_method": 1}, "transfer_method"),
        ({"transfer_method": "local_file", "upload_file_id": {}}, "upload_file_id"),
        ({"type": ["image"], "transfer_method": "remote_url", "url": "https://files.example/a.png"}, "type"),
    ],
)
def test_a_files_member_that_no_dify_could_read_is_refused_by_its_name(item: dict[str, Any], member: str) -> None:
    with pytest.raises(DuckError) as raised:
        list(linked_files([item]))
    assert (raised.value.code, raised.value.message) == ("invalid_request", f"'files[0].{member}' must be a string.")

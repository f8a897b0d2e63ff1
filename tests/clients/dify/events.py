"""What the Python clients of Dify's Service API need beside themselves: the events of a stream, and a refusal.

The clients give a stream's bytes as they come and leave reading them to their users.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

PNG: Final = b"\x89PNG\r\n\x1a\n and a picture behind it"
LINKED: Final = "https://files.example/cat.png"


class Refused(Exception):
    """The reply was an error of Dify's shape; the clients themselves raise nothing."""

    def __init__(self, status_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code


def events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The events of Dify's stream, pings left out."""
    rest = b""
    for chunk in chunks:
        *frames, rest = (rest + chunk).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b"data: "):
                yield json.loads(frame.removeprefix(b"data: "))


def names_of(found: Iterable[dict[str, Any]]) -> list[str]:
    """The names of the events, each once."""
    return list(dict.fromkeys(event["event"] for event in found))


def answer_of(found: Iterable[dict[str, Any]]) -> str:
    return "".join(event["answer"] for event in found if event["event"] == "message")


def arrived(answer: str) -> Any:
    """What `mirror` and `gallery` say of the files that have reached them."""
    return [[file["transfer_method"], file["name"], file["size"]] for file in json.loads(answer)["files"]]

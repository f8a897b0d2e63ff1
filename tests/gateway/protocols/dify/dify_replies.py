"""What Dify's writers make of a run, and what Dify's Service API made of the same (recordings/service)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.decoder import decode
from gateway.detail import Detail
from gateway.diagnosis import without_traceback
from gateway.events import Event, Raw
from gateway.links import absolute_links
from gateway.protocols.dify.blocking import ClosedAnswer, new_answer
from gateway.protocols.dify.reply import write
from gateway.view import View

SERVICE: Final = Path(__file__).resolve().parents[4] / "recordings" / "service"
ORIGIN: Final = "https://dify.example.com"


def view_at(detail: Detail, origin: str = "") -> View:
    return View(detail, origin, "", splits_thinking=False, model="support", now=1_790_000_000)


ANSWER: Final = view_at(Detail.ANSWER, ORIGIN)
PROGRESS: Final = view_at(Detail.PROGRESS, ORIGIN)
FULL: Final = view_at(Detail.FULL)


def staged(dicts: Iterable[Raw], view: View = FULL) -> list[Event]:
    """The events as a writer gets them, through all the stages before it."""
    return list(absolute_links(decode(dicts), view.origin))


def written(events: Iterable[Event], view: View = FULL) -> bytes:
    return b"".join(write(iter(events), view))


def answer_to(events: Iterable[Event], view: View = FULL) -> ClosedAnswer:
    answer = new_answer(view)
    for event in events:
        answer.add(event)
    return answer


def objects(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream, in the one framing that Dify has; pings left out."""
    *frames, rest = body.decode().split("\n\n")
    assert rest == ""
    told = [frame for frame in frames if frame != "event: ping"]
    assert all(frame.startswith("data: {") and "\n" not in frame for frame in told)
    return [json.loads(frame.removeprefix("data: ")) for frame in told]


def service_stream(name: str) -> list[dict[str, Any]]:
    return objects((SERVICE / f"{name}.streaming.sse").read_bytes())


def service_body(name: str, mode: str = "blocking") -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SERVICE / f"{name}.{mode}.json").read_text("utf-8"))
    return body


# -- Two runs, compared --------------------------------------------------------------------------------------------

_TEXTS: Final = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"tenant_id=ID&?", ""),
    (r"timestamp=\d+&nonce=[0-9a-f]+&sign=[^ \"&)']*", "SIGNED"),
    (r"dify-file-ref:[\w=-]+", "REFERENCE"),
    (r"\b[0-9a-f]{32}\b", "ID"),
    (r"req_id: \w+", "ID"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} [\d:]{8} GMT", "TIME"),
)
"""What differs in the texts of any two runs of one app: ids, signatures, times, and a tenant's id that never leaves."""

_TIMES: Final = frozenset(
    """
    created_at started_at finished_at expiration_time elapsed_time latency time_to_first_token time_to_generate
    """.split()
)
_NEVER: Final = frozenset({"form_token", "approval_channels"})
_USERS: Final = frozenset({"sys.user_id", "user"})
_SAID: Final = frozenset({"error", "message"})
"""Why something failed: Duck unpacks what Dify packs (departure 5)."""


def comparable(value: Any, name: str = "") -> Any:
    """A JSON value without what differs in two runs of one app, and without what never leaves."""
    if name in _SAID and isinstance(value, str):
        return "SAID"
    if name in _NEVER:
        return "NEVER"
    if name in _USERS:
        return "USER"
    match value:
        case dict():
            return {inner: comparable(item, inner) for inner, item in value.items()}
        case list():
            return [comparable(item) for item in value]
        case str():
            text = without_traceback(value)
            for pattern, instead in _TEXTS:
                text = re.sub(pattern, instead, text)
            return text
        case int() | float() if name in _TIMES or value != int(value):
            return "NUMBER"
        case _:
            return value


def paths(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and JSON type of everything in a value."""
    yield path, {dict: "object", list: "list", int: "number", float: "number"}.get(type(value), type(value).__name__)
    match value:
        case Mapping():
            for name, item in value.items():
                yield from paths(item, f"{path}.{name}")
        case list():
            for index, item in enumerate(value):
                yield from paths(item, f"{path}[{index}]")

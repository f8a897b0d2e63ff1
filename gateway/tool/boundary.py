"""The edge of a tool's call: its line in the log, and no exception but the SDK's own."""

import uuid
from collections.abc import Iterator
from typing import Final

from dify_plugin.entities.tool import ToolInvokeMessage

from gateway.detail import Detail
from gateway.errors import DuckError, internal_error
from gateway.journal import Record
from gateway.log import logger
from gateway.settings import Settings
from gateway.streaming import place_of
from gateway.tool.errors import tool_error

CALLER: Final = "tool"
"""Who a tool's calls are by: in the log, for handles, and in the end user's name at the Service API."""

_SUCCEEDED: Final = 200


def new_record(tool: str) -> Record:
    return Record(uuid.uuid4().hex, route=f"tool/{tool}", caller=CALLER, status=_SUCCEEDED)


def guarded(said: Iterator[ToolInvokeMessage], record: Record, chosen: Settings) -> Iterator[ToolInvokeMessage]:
    """What a call says. Raises `InvokeError` for whatever fails, with one text for people.

    said: not begun, so that nothing is done under settings that govern every call and have a fault.
    """
    failure: DuckError | None = None
    try:
        if chosen.fatal:
            raise chosen.fatal[0].as_error()
        for message in said:
            record.sent(0)  # for the time of the first; what a line of it takes is the SDK's business
            yield message
    except DuckError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - its text, and a traceback, would be shown to whoever runs the app
        logger.error("request %s failed: %s", record.request_id, place_of(error))
        failure = internal_error()
    finally:
        if failure:
            record.error, record.status = failure.code, failure.status
        record.finish()
    if failure:  # outside, so that the exception has no other behind it, whose traceback would be told too
        raise tool_error(failure, record.request_id, with_cause=chosen.detail >= Detail.PROGRESS)

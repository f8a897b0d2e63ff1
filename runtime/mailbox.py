"""What the daemon answers to a call of the plugin, brought to the one greenlet that waits for it.

Owns the waiting: what an answer costs does not depend on how many others wait. Knows nothing of what answers say.
"""

from collections import deque
from typing import Any, Final

from dify_plugin.core.entities.plugin.io import PluginInStream, PluginInStreamEvent
from dify_plugin.core.server.__base.filter_reader import FilterReader

from runtime.waiting import Waiting

ANSWER: Final = PluginInStreamEvent.BackwardInvocationResponse


CROWD: Final = 100
"""Answers in one mailbox that are a crowd: about what one read brings, where it brings nothing for others."""


class Closed(Exception):
    """No answer will come any more."""


class Mailbox:
    """The answers to one call, in the order they came. Read by one greenlet."""

    __slots__ = ("_answers", "_is_closed", "_waiting")

    def __init__(self) -> None:
        self._answers: deque[Any] = deque()
        self._waiting = Waiting()
        self._is_closed = False

    def put(self, answer: Any) -> None:
        self._answers.append(answer)
        self._waiting.wake()

    def __len__(self) -> int:
        return len(self._answers)

    def close(self) -> None:
        """Lets the reader have what has come, and then `Closed`."""
        self._is_closed = True
        self._waiting.close()

    def take(self, patience: float) -> Any:
        """The next answer. Raises `TimeoutError` after so many seconds without one, and `Closed`."""
        if not self._answers and not self._is_closed:
            self._waiting.wait(patience)
        if self._answers:
            return self._answers.popleft()
        raise Closed if self._is_closed else TimeoutError


class Mailboxes(FilterReader):
    """All mailboxes of one of the SDK's readers, by the id of the call.

    It is one of that reader's own filters, so that answers find their way also when the SDK brings them. is_crowded:
    whether a crowd has been seen in one of them; who looks, resets it.
    """

    def __init__(self) -> None:
        super().__init__(self._is_awaited)
        self.is_crowded = False
        self._open: dict[str, Mailbox] = {}

    def __len__(self) -> int:
        return len(self._open)

    def open(self, call_id: str) -> Mailbox:
        mailbox = self._open[call_id] = Mailbox()
        return mailbox

    def discard(self, call_id: str) -> None:
        """Forgets a call: what comes for it is nobody's from now on."""
        mailbox = self._open.pop(call_id, None)
        if mailbox is not None:
            mailbox.close()

    def deliver(self, answer: Any) -> bool:
        """Whether somebody waits for it. answer: the `data` of the daemon's message."""
        try:
            mailbox = self._open[answer["backwards_request_id"]]
        except (KeyError, TypeError):
            return False
        mailbox.put(answer)
        if len(mailbox) > CROWD:
            self.is_crowded = True
        return True

    def write(self, data: PluginInStream) -> None:
        self.deliver(data.data)

    def close(self) -> None:
        """The plugin is ending: nobody's answer will come."""
        for mailbox in self._open.values():
            mailbox.close()

    def _is_awaited(self, message: PluginInStream) -> bool:
        return message.event is ANSWER and message.data.get("backwards_request_id") in self._open

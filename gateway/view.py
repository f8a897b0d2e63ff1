"""How much of a run a reply shows, and under which addresses: what every writer must know beside the events."""

from dataclasses import dataclass

from gateway.answer import Answer
from gateway.detail import Detail, scrubbed
from gateway.events import TEXT_EVENTS, Raw
from gateway.links import absolute


@dataclass(frozen=True, slots=True)
class View:
    """detail: the level of the settings. origin: where relative links to files lead. output: the name of the workflow
    output that is the answer, `""` for the rule. splits_thinking: whether `<think>` blocks are reasoning. model: what
    the app is called in this reply. now: when the request came, in Unix seconds.
    """

    detail: Detail
    origin: str
    output: str
    splits_thinking: bool = True
    model: str = ""
    now: int = 0

    @property
    def with_progress(self) -> bool:
        return self.detail >= Detail.PROGRESS

    @property
    def is_full(self) -> bool:
        return self.detail is Detail.FULL

    def new_answer(self) -> Answer:
        """An answer that is still to be put together."""
        return Answer(self.output, splits_thinking=self.splits_thinking)

    def of_raw(self, raw: Raw) -> Raw | None:
        """Dify's own dict as it may leave; None when nothing of it may."""
        shown = scrubbed(raw, self.detail)
        if shown is None or not self.origin or str(raw.get("event")) in TEXT_EVENTS:
            return shown
        linked: Raw = absolute(shown, self.origin)
        return linked

"""One settings form, setting by setting: texts, choices and lists in one line, and the faults that come up in them."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from gateway.settings.values import Fault

_SEPARATORS: Final = ",;\uff0c\u3001\uff1b"
"""Commas and semicolons, the full-width ones of a Chinese or Japanese keyboard included; white space separates too."""

_ITEM: Final = re.compile(rf"(?:\([^()]*\)|[^{_SEPARATORS}\s])+")
"""An entry of a list: separators inside parentheses don't split (DESIGN section 4)."""

MASK: Final = "****"
"""How Dify shows a stored secret in its form (`ab****yz`)."""

MASK_PROBLEM: Final = "Dify's mask was edited; enter the whole value again"


class Form:
    """What Dify sent, and the faults found in it."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.faults: list[Fault] = []
        self.fatal: list[Fault] = []

    def fault(self, setting: str, problem: str, entry: int = 0) -> Fault:
        """Notes a fault that disables what its entry governs."""
        fault = Fault(setting, entry, problem)
        self.faults.append(fault)
        return fault

    def fail(self, setting: str, problem: str, entry: int = 0) -> None:
        """Notes a fault that governs every call."""
        self.fatal.append(self.fault(setting, problem, entry))

    def text(self, name: str) -> str:
        value = self.raw.get(name)
        if value is None or isinstance(value, str):
            return (value or "").strip()
        self.fail(name, "must be text")
        return ""

    def items(self, name: str) -> list[tuple[int, str]]:
        """The entries of a list, with their places from 1 on."""
        return list(enumerate(split(self.text(name)), 1))

    def choice[E: StrEnum](self, name: str, choices: type[E], default: E) -> E:
        value = self.raw.get(name)
        if value is None or value == "":
            return default
        try:
            return choices(value)
        except ValueError:
            self.fail(name, f"must be one of {', '.join(choices)}")
            return default


def split(text: str) -> Iterator[str]:
    """The entries of a list in one line."""
    return (found[0] for found in _ITEM.finditer(text))

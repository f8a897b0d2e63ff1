"""Bytes as they come, to whole lines; pure."""


class Lines:
    """Keeps the beginning of a line until its end has come. A line of any length is copied once."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`, without their ends; empty ones too."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._begun:
            lines[0] = b"".join((*self._begun, lines[0]))
            self._begun.clear()
        if rest:
            self._begun.append(rest)
        return lines

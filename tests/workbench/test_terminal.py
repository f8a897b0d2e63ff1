from io import StringIO

import pytest

from workbench.terminal import Terminal


class Tty(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"plain text", "plugin | plain text\n"),
        (b"\xff", "plugin | \ufffd\n"),
        (
            b'{"event": "log", "data": {"level": "INFO", "message": "a\\nb", "timestamp": 1}}',
            "plugin | INFO a\nplugin | b\n",
        ),
        (b'{"event": "log"}', 'plugin | {"event": "log"}\n'),
        (b'{"event": "lo', 'plugin | {"event": "lo\n'),
    ],
    ids=["text", "no text", "a log record of two lines", "half a record", "no record"],
)
def test_what_the_plugin_writes_is_marked_line_by_line(line: bytes, shown: str) -> None:
    output = StringIO()
    Terminal(output).plugin_output(line)
    assert output.getvalue() == shown


def test_colours_are_for_terminals_only() -> None:
    plain, coloured = StringIO(), Tty()
    for output in (plain, coloured):
        Terminal(output).say("text")
    assert plain.getvalue() == "workbench: text\n"
    assert coloured.getvalue() == "\x1b[1mworkbench: text\x1b[0m\n"

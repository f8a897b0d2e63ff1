from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.__main__ import SEEDS
from fuzz.plugin import Plugin, loaded_plugin
from fuzz.rules import broken


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    with loaded_plugin() as plugin:
        yield plugin


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*.http")), ids=lambda seed: seed.stem)
def test_the_replies_to_a_kept_request_break_no_rule(seed: Path, plugin: Plugin) -> None:
    replies = plugin.replies(seed.read_bytes())
    assert [reply.is_open for reply in replies] == [False, True], "the request never reaches Duck"
    assert [broken(reply) for reply in replies] == [[], []]


def test_the_kept_good_requests_are_answered(plugin: Plugin) -> None:
    """A run whose requests were all refused would prove little."""
    good = {seed.stem: plugin.replies(seed.read_bytes())[0].status for seed in SEEDS.glob("good-*.http")}
    assert good.pop("good-completion") == 400
    assert good.pop("good-preflight") == 204
    assert set(good.values()) == {200}

"""The page's settings helper reads and writes lines as Duck's own reader does."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway import settings
from tests.clients.node import CLIENTS
from tests.clients.process import json_lines

ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER: Final = "22222222-2222-4222-8222-222222222222"
HASH: Final = "sha256:" + "a1" * 32
KEY: Final = "a-long-enough-key"
APPS: Final = {"apps": f"a={ID}, b={OTHER}"}
KEYS: Final = {"access_keys": "ann=the-key-of-ann-herself, bob=the-key-of-bob-himself"}
PICKED: Final = {
    name: {"app_id": f"{number}1111111-1111-4111-8111-111111111111"}
    for number, name in enumerate(("app", "app_2", "app_3", "app_4", "app_5"), 1)
}
AROUND: Final[Mapping[str, Mapping[str, Any]]] = {
    "aliases": PICKED,
    "apps": {"app": {"app_id": ID}, "aliases": "support"},
    "access_keys": {},
    "callers": {**APPS, **KEYS},
    "webhook_secrets": {"apps": json.dumps({"a": {"app_id": ID, "hook": {"signature": {"header": "X-Sig"}}}, "b": ID})},
}
"""Settings in which a line stands that is right."""

LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "aliases": (
        "", "support, report", "support report;third", "support\uff0creport\u3001third", "a, a", "completions",
        "app_id",
        "<app_id>", "x" * 64, "x" * 65, "bad!", "ü", "1, 2, 3, 4, 5, 6",
    ),
    "apps": (
        "", f"a={ID}", f"a={ID}, b={OTHER}", f"a = {ID}", ID, ID.replace("-", ""), f"a={ID},a={OTHER}", "a=", "a",
        "a=app-1234567890", f"a b={ID}", f"={ID}", f"completions={ID}", f"a={ID[:-1]}", f"a={ID.upper()}",
        f"{{a: {ID}}}", f"{{a: {{app_id: {ID}}}}}", f'{{"a": {{"app_id": "{ID}", "kind": "workflow"}}}}',
        f"{{a: {{app_id: {ID}, kind: agent-chat, title: A desk, about: 'It helps, mostly.'}}}}",
        f"{{a: {{app_id: {ID}, kind: nonsense}}}}", f"{{a: {{app_id: {ID}, colour: red}}}}",
        f"{{a: {{app_id: [{ID}]}}}}",
        "{a: [1]}", "{a: app-1234567890}", "{support: {kind: workflow}}", f"{{a: {ID}, a: {OTHER}}}",
        "{a", "{}", "[a]", f"{{on: {ID}, 1: {OTHER}}}", "{a: {app_id: yes}}",
    ),
    "access_keys": (
        "", KEY, f"ann={KEY}", f"ann={KEY}, bob={KEY}", f"ann={KEY} ann={KEY}", "short", "ann=short", f"Ann={KEY}",
        f"{KEY}=", f"{KEY}==", "ann==", f"ann={HASH}", HASH, "sha256:abc", "ann=sha256:xyz", "ab****yzab****yz",
        "ann=ab****yzab****yz", f"anonymous={KEY}", "SHA2-256(stdin)=", f"ann={KEY}(with,parts)",
        "ключ-достаточной-длины",
        f"ann={HASH}, bob={HASH.upper()}", "\U0001f986" * 16, "\U0001f986" * 15,
    ),
    "callers": (
        "", f"ann={HASH}", "ann(a)", "ann(a,b)", "ann(a b)", "ann (a)", f"ann(a)={HASH}", f"ann = {HASH}", "ann()",
        "ann",
        f"ann={KEY}", "ann=sha256:abc", "Ann(a)", "ann(a", "ann[a]", "(a)", f"anonymous={HASH}", "ann\uff08a\uff09",
        f"ann={HASH}, bob={HASH}", "bob(a)=short, ann(a)", "ann(a)(b)", "ann=", "ann(a)=",
    ),
    "webhook_secrets": (
        "", f"a=github:{KEY}", f"a=github:{KEY}, b=slack:{KEY}", "a=github:short", "a=github", "a",
        f"a=nonsense:{KEY}",
        f"a=:{KEY}", f"a=generic:{KEY}", f"a=stripe:whsec_{KEY}", "a=stripe:whsec_short",
        "a=standard:whsec_ZHVjay1kZW1vLXdlYmhvb2stc2VjcmV0", "a=svix:ZHVjay1kZW1vLXdlYmhvb2stc2VjcmV0",
        "a=svix:ZHVjay1k", "a=svix:not!base64!at!all!", "a=svix:ZHVjay1kZW1vLXdlYmhvb2stc2VjcmV",
        "a=github:ab****yzab****yz",
        f"a=github:{KEY}:with:colons", " ".join([f"a=github:{KEY}"] * 33),
    ),
}  # fmt: skip

WRITTEN: Final = (
    ("aliases", [{"alias": " support "}, {"alias": ""}, {"alias": "report"}], "support, report"),
    ("apps", [{"alias": "a", "app_id": ID, "kind": "", "title": ""}, {"alias": "b", "app_id": OTHER}], APPS["apps"]),
    (
        "apps",
        [{"alias": "a", "app_id": ID, "kind": "workflow", "title": "A desk", "about": "It's {good}, mostly."}],
        f'{{"a":{{"app_id":"{ID}","kind":"workflow","title":"A desk","about":"It\'s {{good}}, mostly."}}}}',
    ),
    ("access_keys", [{"name": "ann", "key": KEY}, {"name": "", "key": "b" * 16}], f"ann={KEY}, {'b' * 16}"),
    ("callers", [{"name": "ann", "apps": "a, b", "key": ""}, {"name": "bob", "key": HASH}], f"ann(a, b), bob={HASH}"),
    (
        "callers",
        [{"name": "ann", "apps": "a", "key": "duck"}],
        "ann(a)=sha256:2d2370db2447ff8cf4f3accd68c85aa119a9c893effd200a9b69176e9fc5eb98",
    ),
    ("webhook_secrets", [{"alias": "a", "scheme": "github", "secret": KEY}], f"a=github:{KEY}"),
)

PAIR: Final = {"alias": "b", "app_id": OTHER}
ADDED: Final = (
    ("aliases", "support,", [{"alias": "report"}], "support, report"),
    ("aliases", "support", [{"alias": ""}], "support"),
    ("apps", f"a={ID}", [PAIR], f"a={ID}, b={OTHER}"),
    ("apps", f"{{a: {ID}}}", [PAIR], f'{{"a":"{ID}","b":{{"app_id":"{OTHER}"}}}}'),
    (
        "apps",
        f"{{a: {{app_id: {ID}, hook: {{query: x}}}}}}",
        [PAIR],
        f'{{"a":{{"app_id":"{ID}","hook":{{"query":"x"}}}},"b":{{"app_id":"{OTHER}"}}}}',
    ),
    (
        "apps",
        f"a={ID}",
        [{**PAIR, "kind": "chat"}],
        f'{{"a":"{ID}","b":{{"app_id":"{OTHER}","kind":"chat"}}}}',
    ),
    ("callers", "ann(a)", [{"name": "bob", "apps": "b", "key": ""}], "ann(a), bob(b)"),
)
"""Rows that are added to a line."""

CASES: Final = [(setting, line) for setting, lines in LINES.items() for line in lines]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the page makes of all lines and rows, in their order, and its texts at the end."""
    asked: list[dict[str, Any]] = [{"setting": setting, "line": line} for setting, line in CASES]
    asked += [{"setting": setting, "rows": rows} for setting, rows, _ in WRITTEN]
    asked += [{"setting": setting, "before": before, "rows": rows} for setting, before, rows, _ in ADDED]
    file = tmp_path_factory.mktemp("builder") / "cases.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    node = CLIENTS / "node_modules" / ".bin" / "node"
    return json_lines([str(node), str(Path(__file__).parent / "read.mjs"), str(file)])


def faulty(setting: str, line: str) -> set[int]:
    """The entries that Duck's reader finds fault with; 0 for the line as a whole."""
    read = settings.parse({**KEYS, **AROUND[setting], setting: line} if setting != "access_keys" else {setting: line})
    return {fault.entry for fault in read.faults if fault.setting == setting}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{setting}: {line[:40]}" for setting, line in CASES])
def test_a_line_is_read_as_ducks_reader_reads_it(told: list[dict[str, Any]], number: int) -> None:
    setting, line = CASES[number]
    read = [entry["isFine"] for entry in told[number]["entries"]]
    found = faulty(setting, line)
    assert read == ([False] if 0 in found else [place not in found for place in range(1, len(read) + 1)])
    assert max(found, default=0) <= len(read)


@pytest.mark.parametrize(
    "number", range(len(WRITTEN)), ids=[f"{setting} {at}" for at, (setting, *_) in enumerate(WRITTEN)]
)
def test_a_line_is_written_as_ducks_reader_takes_it(told: list[dict[str, Any]], number: int) -> None:
    setting, _, expected = WRITTEN[number]
    line = told[len(CASES) + number]["line"]
    assert line == expected
    assert faulty(setting, line) == set()


@pytest.mark.parametrize("number", range(len(ADDED)), ids=[f"{setting}: {before}" for setting, before, *_ in ADDED])
def test_what_is_filled_in_is_added_to_a_line(told: list[dict[str, Any]], number: int) -> None:
    setting, _, _, expected = ADDED[number]
    line = told[len(CASES) + len(WRITTEN) + number]["line"]
    assert line == expected
    assert faulty(setting, line) == set()


def test_all_languages_have_the_same_texts_with_the_same_places(told: list[dict[str, Any]]) -> None:
    for tables in told[-1]["texts"]:
        assert tables.keys() == {"en_US", "zh_Hans", "ja_JP", "pt_BR"}
        places = [
            {key: sorted(set(re.findall(r"\{\w+\}", text))) for key, text in texts.items()} for texts in tables.values()
        ]
        assert places[1:] == places[:1] * 3
        assert [text for texts in tables.values() for text in texts.values() if not text.strip()] == []

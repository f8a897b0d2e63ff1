import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.app import DifyEvent, Refused
from workbench.apps.forms import read_form, schema_failure, validate

type Recorded = Callable[[str], tuple[dict[str, Any], list[DifyEvent]]]

REFUSED_IN_RECORDINGS = [
    "chat-form-badopt",
    "chat-form-missing",
    "chat-full-missing",
    "workflow-full-badjson",
    "workflow-full-missing",
    "workflow-inputs-choice-bad",
    "workflow-inputs-doc-bad",
    "workflow-inputs-doc-notype",
    "workflow-inputs-doc-wrongtype",
    "workflow-inputs-missing",
    "workflow-inputs-n-bad",
    "workflow-inputs-text-int",
    "workflow-missing-input",
]


@pytest.mark.parametrize("case", REFUSED_IN_RECORDINGS)
def test_a_recorded_refusal_is_given_word_for_word(recordings: Path, recorded: Recorded, case: str) -> None:
    head, lines = recorded(case)
    declared = json.loads((recordings / "plugin" / f"fetch_app.{head['_app']}.json").read_text("utf-8"))
    with pytest.raises(Refused) as refusal:
        validate(read_form(declared["user_input_form"]), head["_request"]["inputs"])
    real = json.loads(lines[-1]["_text"].partition("respond with: ")[2])
    given = {"status": refusal.value.status, "code": refusal.value.code, "message": refusal.value.message}
    assert given == real


ACCEPTED_IN_RECORDINGS = [
    "workflow",
    "workflow-full",
    "workflow-full-badschema",
    "workflow-full-json",
    "workflow-inputs-flag-str",
    "workflow-inputs-n-str",
    "workflow-inputs-ok",
]


@pytest.mark.parametrize("case", ACCEPTED_IN_RECORDINGS)
def test_recorded_inputs_become_the_values_that_the_real_run_started_with(
    recordings: Path, recorded: Recorded, case: str
) -> None:
    head, events = recorded(case)
    declared = json.loads((recordings / "plugin" / f"fetch_app.{head['_app']}.json").read_text("utf-8"))
    values = validate(read_form(declared["user_input_form"]), head["_request"]["inputs"])
    real = {name: value for name, value in events[0]["data"]["inputs"].items() if not name.startswith("sys.")}
    assert values == _of_unknown_size(real)


def _of_unknown_size(value: Any) -> Any:
    """The recording Dify could ask the file's server for its size; the workbench asks nobody."""
    if isinstance(value, dict):
        return {name: -1 if name == "size" else _of_unknown_size(member) for name, member in value.items()}
    return [_of_unknown_size(item) for item in value] if isinstance(value, list) else value


LINK = {"transfer_method": "remote_url", "url": "https://files.example/a.pdf"}

REFUSED: list[tuple[str, dict[str, Any], Any, tuple[int, str]]] = [
    (
        "text too long",
        {"text-input": {"max_length": 3}},
        "four",
        (400, "v in input form must be less than 3 characters"),
    ),
    ("paragraph of a number", {"paragraph": {}}, 1, (400, "(type 'paragraph') v in input form must be a string")),
    ("select of a number", {"select": {}}, 1, (400, "(type 'select') v in input form must be a string")),
    ("number of a list", {"number": {}}, [1], (500, "Internal Server Error")),
    ("number of an object", {"number": {}}, {}, (500, "Internal Server Error")),
    ("number of words", {"number": {}}, "1,5", (400, "v in input form must be a valid number")),
    ("checkbox of an object", {"checkbox": {}}, {"a": 1}, (400, "Invalid input type for ['v']")),
    ("file of a text", {"file": {}}, "", (400, "v in input form must be a file")),
    ("list of a file", {"file-list": {}}, LINK, (400, "v in input form must be a list of files")),
    ("list of texts", {"file-list": {}}, ["x"], (400, "v in input form must be a list of files")),
    (
        "too many files",
        {"file-list": {"max_length": 1}},
        [LINK] * 2,
        (400, "v in input form must be less than 1 files"),
    ),
    ("object of a list", {"json_object": {}}, [1], (400, "v in input form must be a dict")),
    ("no transfer method", {"file": {}}, {"type": "document"}, (400, "transfer_method is required in file mapping")),
    (
        "unknown transfer method",
        {"file": {}},
        {"transfer_method": "fax"},
        (400, "No matching enum found for value 'fax'"),
    ),
    ("no link", {"file": {}}, {"transfer_method": "remote_url"}, (400, "Invalid file url")),
    ("broken link", {"file": {}}, {"transfer_method": "remote_url", "url": "http://["}, (400, "Invalid IPv6 URL")),
    ("no upload id", {"file": {}}, {"transfer_method": "local_file"}, (400, "Invalid upload file id")),
    (
        "malformed upload id",
        {"file": {}},
        {"transfer_method": "local_file", "upload_file_id": "x"},
        (400, "Invalid upload file id format"),
    ),
    (
        "unknown upload",
        {"file": {}},
        {"transfer_method": "local_file", "upload_file_id": "00000000-0000-4000-8000-000000000000"},
        (400, "Invalid upload file"),
    ),
    (
        "a plugin's upload",
        {"file": {}},
        {"transfer_method": "tool_file", "tool_file_id": "t"},
        (400, "ToolFile t not found"),
    ),
    (
        "type not allowed",
        {"file": {"allowed_file_types": ["image"]}},
        LINK | {"type": "document"},
        (400, "File validation failed for file: a.pdf"),
    ),
    (
        "method not allowed",
        {"file": {"allowed_file_upload_methods": ["local_file"]}},
        LINK | {"type": "document"},
        (400, "File validation failed for file: a.pdf"),
    ),
]


def _form(declaration: dict[str, Any], *, required: bool = True) -> Any:
    return read_form(
        [{kind: {"variable": "v", "required": required, **members}} for kind, members in declaration.items()]
    )


@pytest.mark.parametrize(
    ("declaration", "value", "expected"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_a_value_that_dify_refuses_is_refused_with_its_sentence(
    declaration: dict[str, Any], value: Any, expected: tuple[int, str]
) -> None:
    with pytest.raises(Refused) as refusal:
        validate(_form(declaration), {"v": value})
    assert (refusal.value.status, refusal.value.message) == expected


ACCEPTED: list[tuple[str, dict[str, Any], Any, Any]] = [
    ("an empty text is a text", {"text-input": {}}, "", ""),
    ("NUL is taken out", {"text-input": {}}, "a\x00b", "ab"),
    ("a limit of 0 is none", {"text-input": {"max_length": 0}}, "x" * 99, "x" * 99),
    ("a number in a text", {"number": {}}, " 7 ", 7),
    ("a fraction in a text", {"number": {}}, "7.5", 7.5),
    ("an empty number", {"number": {}}, " ", None),
    ("no", {"checkbox": {}}, "OFF", False),
    ("zero", {"checkbox": {}}, 0, False),
    ("any other word", {"checkbox": {}}, "perhaps", "perhaps"),
    ("an empty object of any type", {"json_object": {}}, "", ""),
    ("no files", {"file-list": {}}, [], []),
    ("files without a link are left out", {"file-list": {}}, [{}, {"transfer_method": "remote_url"}], []),
]


@pytest.mark.parametrize(
    ("declaration", "value", "expected"), [row[1:] for row in ACCEPTED], ids=[r[0] for r in ACCEPTED]
)
def test_a_value_that_dify_accepts_is_converted_as_it_does(
    declaration: dict[str, Any], value: Any, expected: Any
) -> None:
    assert validate(_form(declaration), {"v": value}) == {"v": expected}


@pytest.mark.parametrize("value", ["", None])
def test_an_optional_file_may_be_left_empty(value: Any) -> None:
    assert validate(_form({"file": {}}, required=False), {"v": value}) == {"v": None}


def test_a_missing_optional_input_takes_its_default_through_the_checks() -> None:
    assert validate(_form({"number": {"default": "7"}}, required=False), {}) == {"v": 7}


def test_undeclared_inputs_are_ignored() -> None:
    assert validate((), {"extra": object()}) == {}


def test_every_variable_is_checked_before_any_file() -> None:
    form = _form({"file": {}, "number": {}})
    with pytest.raises(Refused, match="must be a valid number"):
        validate(
            tuple(_renamed(form)),
            {"file": {"transfer_method": "remote_url", "url": ""}, "number": "x"},
        )


def _renamed(form: Any) -> Any:
    return (replace(variable, name=variable.type) for variable in form)


def test_a_list_does_not_hold_a_file_to_its_detected_type() -> None:
    picture = LINK | {"type": "image"}
    values = validate(_form({"file-list": {}}), {"v": [picture]})
    assert values["v"][0]["type"] == "image"
    with pytest.raises(Refused, match="Detected file type does not match"):
        validate(_form({"file": {}}), {"v": picture})


SCHEMA = {"properties": {"a": {"type": "number"}}, "required": ["a"], "type": "object"}


@pytest.mark.parametrize(
    ("value", "failure"),
    [
        ({"a": 1}, None),
        (None, None),
        ({"a": "str"}, "JSON object for 'v' does not match schema: 'str' is not of type 'number'"),
        ({"a": True}, "JSON object for 'v' does not match schema: True is not of type 'number'"),
        ({"b": 1}, "JSON object for 'v' does not match schema: 'a' is a required property"),
    ],
)
def test_schema_failures_are_worded_as_the_start_node_words_them(value: Any, failure: str | None) -> None:
    assert schema_failure(_form({"json_object": {"json_schema": SCHEMA}}), {"v": value}) == failure

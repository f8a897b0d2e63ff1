from typing import Any

import pytest

from gateway.errors import DuckError
from gateway.hooks.paths import MAX_LENGTH, BadPath, Path

ISSUE: dict[str, Any] = {"issue": {"title": "Broken", "labels": [{"name": "bug"}, {"name": "p1"}]}, "n": 3}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("issue.title", "Broken"),
        ("n", 3),
        ("issue.labels[*].name | join(', ', @)", "bug, p1"),
        ("issue.labels[?name=='p1'].name | [0]", "p1"),
        ("{title: issue.title, number: n}", {"title": "Broken", "number": 3}),
        ("issue.labels[::-1].name", ["p1", "bug"]),
        ("nothing.here", None),
        ("@", ISSUE),
    ],
)
def test_a_path_leads_to(expression: str, found: Any) -> None:
    assert Path.of(expression).found_in(ISSUE) == found


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        pytest.param("a" * (MAX_LENGTH + 1), f"a path has more than {MAX_LENGTH} characters", id="too long"),
        pytest.param("a.", "a path is not valid JMESPath", id="cut"),
        pytest.param("", "a path is not valid JMESPath", id="empty"),
        pytest.param("`", "a path is not valid JMESPath", id="no token"),
        pytest.param(
            "load(@)", "a path uses a function that JMESPath does not have, or a slice of step 0", id="a function"
        ),
        pytest.param(
            "a[::0]", "a path uses a function that JMESPath does not have, or a slice of step 0", id="no step"
        ),
        pytest.param("|".join(["[@,@]"] * 7), "a path makes too much of what it is given", id="doubled and doubled"),
        pytest.param("[" + ",".join("@" * 65) + "]", "a path makes too much of what it is given", id="65 copies"),
        pytest.param(
            "to_string(" * 7 + "@" + ")" * 7, "a path makes too much of what it is given", id="escaped and escaped"
        ),
        pytest.param("join(a, b)", "a path makes too much of what it is given", id="joined by what the body says"),
        pytest.param(
            f"join('{'x' * 200}', a)", "a path makes too much of what it is given", id="joined by something long"
        ),
    ],
)
def test_a_path_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(BadPath) as refusal:
        Path.of(expression)
    assert str(refusal.value) == problem


@pytest.mark.parametrize("expression", ["|".join(["[@,@]"] * 6), "(" * 127 + "a" + ")" * 127, "!" * 255 + "a"])
def test_the_largest_path_that_is_taken_can_be_used(expression: str) -> None:
    Path.of(expression).found_in(ISSUE)


@pytest.mark.parametrize(
    "expression",
    [
        "length(n)",
        "sort([n, issue.title])",
        "[?n > 'x'] || n > issue.title",
        "floor(to_number('1e999'))",
        "to_number('nan')",
    ],
)
def test_a_path_that_does_not_fit_the_body_is_a_400(expression: str) -> None:
    with pytest.raises(DuckError) as refusal:
        Path.of(expression).found_in(ISSUE)
    assert refusal.value.code == "invalid_request"


def test_paths_are_equal_by_what_they_say() -> None:
    assert Path.of("a.b") == Path.of("a.b") != Path.of("a.c")

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.transports.service.user import MOST_CHARACTERS, dify_user


@pytest.mark.parametrize(
    "name",
    ["web:ann", "a", "\u540d\u524d:\U0001f44d", "x" * MOST_CHARACTERS],
    ids=["plain", "one letter", "not ASCII", "the longest"],
)
def test_a_name_that_dify_can_keep_stays_as_it_is(name: str) -> None:
    assert dify_user(name) == name


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x" * (MOST_CHARACTERS + 1), "xxx"), ("web:a\0b", "web:a_b:"), ("web:a\ud800b", "web:a_b:")],
    ids=["one character too long", "a NUL", "a lone surrogate"],
)
def test_one_that_it_can_not_keep_begins_alike_and_ends_in_its_digest(name: str, begins: str) -> None:
    assert dify_user(name).startswith(begins)
    assert dify_user(name) != dify_user(name + "x")
    assert dify_user(name) == dify_user(name)


@given(names=st.lists(st.text(st.characters(exclude_categories=()), max_size=300), min_size=2, max_size=2, unique=True))
def test_two_names_are_never_one_user_and_all_can_be_kept(names: list[str]) -> None:
    first, second = (dify_user(name) for name in names)
    assert first != second
    assert max(len(first), len(second)) <= MOST_CHARACTERS
    assert "\0" not in first
    first.encode()

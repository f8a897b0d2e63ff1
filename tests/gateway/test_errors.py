import pytest

from gateway.errors import STATUS, DuckError, internal_error


@pytest.mark.parametrize("code", STATUS)
def test_every_code_has_an_http_status_of_a_failure(code: str) -> None:
    assert DuckError(code, "It failed.").status == STATUS[code]
    assert 400 <= STATUS[code] <= 599


def test_a_code_that_is_not_listed_is_a_mistake_in_the_code() -> None:
    with pytest.raises(KeyError):
        DuckError("no_such_code", "It failed.")


@pytest.mark.parametrize(
    ("cause", "remedy", "with_cause", "expected"),
    [
        pytest.param("", "", True, "It failed.", id="message only"),
        pytest.param("", "Try again.", True, "It failed. Try again.", id="with a remedy"),
        pytest.param("boom", "", True, "It failed. It reported: boom.", id="with a cause"),
        pytest.param("boom.", "Try.", True, "It failed. It reported: boom. Try.", id="one full stop, not two"),
        pytest.param("boom", "Try.", False, "It failed. Try.", id="the cause kept back"),
    ],
)
def test_a_sentence_is(cause: str, remedy: str, with_cause: bool, expected: str) -> None:
    assert DuckError("app_failed", "It failed.", remedy, cause=cause).sentence(with_cause=with_cause) == expected


def test_what_nobody_foresaw_names_no_details() -> None:
    error = internal_error()
    assert (error.code, error.status, error.cause) == ("internal_error", 500, "")
    assert "request id" in error.remedy

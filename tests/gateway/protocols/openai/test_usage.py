from typing import Any, Final

import pytest

from gateway.detail import Detail
from gateway.events import Usage
from gateway.protocols.openai.usage import chat_usage, responses_usage
from gateway.view import View

ALL: Final = Usage(3, 4, 7, 0.1, {"total_price": "0.0025", "currency": "USD", "prompt_price": "0.001"})


def view(detail: Detail) -> View:
    return View(detail, "", "")


@pytest.mark.parametrize("level", [Detail.ANSWER, Detail.PROGRESS])
def test_tokens_are_difys_and_prices_stay_in_the_house(level: Detail) -> None:
    assert chat_usage(ALL, view(level)) == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert responses_usage(ALL, view(level)) == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},  # both required by openai 3.54
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }


@pytest.mark.parametrize("counted", [chat_usage, responses_usage])
@pytest.mark.parametrize(
    "usage",
    [None, Usage(None, None, 7, None, {}), Usage(3, None, 3, None, {}), Usage(None, 4, 4, None, {})],
    ids=["nothing", "a workflow's total", "the prompt's only", "the answer's only"],
)
def test_what_dify_does_not_tell_is_not_made_up(counted: Any, usage: Usage | None) -> None:
    assert counted(usage, view(Detail.FULL)) is None


def test_zero_is_a_number() -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert chat_usage(Usage(0, 0, 0, None, {}), view(Detail.ANSWER)) == zero


@pytest.mark.parametrize("counted", [chat_usage, responses_usage])
@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        pytest.param({"total_price": "0.0025", "currency": "USD"}, (0.0025, "USD"), id="Dify's text"),
        pytest.param({"total_price": "1E-7", "currency": "RMB"}, (1e-7, "RMB"), id="a small one"),
        pytest.param({"total_price": "0", "currency": "USD"}, (0.0, "USD"), id="free"),
        pytest.param({"total_price": "cheap", "currency": "USD"}, (None, None), id="no number"),
        pytest.param({"currency": "USD"}, (None, None), id="no price"),
        pytest.param({}, (None, None), id="nothing"),
    ],
)
def test_at_full_the_price_is_a_number(
    counted: Any, prices: dict[str, str], expected: tuple[float | None, str | None]
) -> None:
    told = counted(Usage(3, 4, 7, None, prices), view(Detail.FULL))
    assert (told.get("total_price"), told.get("currency")) == expected

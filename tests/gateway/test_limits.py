from collections.abc import Mapping
from math import inf
from typing import Final

import pytest

from gateway.errors import DuckError
from gateway.limits import (
    MARGIN,
    READ_TIMEOUT,
    RESPONSE_TIMEOUT,
    SILENCE_TIMEOUT,
    Limits,
    own_timeout_error,
    response_timeout_error,
    run_timeout_error,
    silence_timeout_error,
)


def found(
    environment: Mapping[str, str] | None = None,
    *,
    is_local: bool = True,
    sdk_silence: float = 250,
    run_timeout: float | None = None,
) -> tuple[float, float, float]:
    """The platform's limits that were found: run, silence, response."""
    limits = Limits.found(environment or {}, is_local=is_local, sdk_silence=sdk_silence, run_timeout=run_timeout)
    run, silence, response = (round(limit / (1 - MARGIN), 6) for limit in (limits.run, limits.silence, limits.response))
    return run, silence, response


def test_duck_ends_a_little_before_the_platform() -> None:
    limits = Limits.found({}, is_local=True, sdk_silence=250, run_timeout=None)
    assert (limits.run, limits.silence, limits.response) == pytest.approx((235.2, 245.0, 588.0))
    assert limits.own == inf


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, (240, 250, 600), id="the defaults"),
        pytest.param({READ_TIMEOUT: "900000"}, (900, 250, 600), id="one call of an app, in milliseconds"),
        pytest.param({RESPONSE_TIMEOUT: "1800"}, (240, 250, 1800), id="the response, in seconds"),
        pytest.param({READ_TIMEOUT: "60000", RESPONSE_TIMEOUT: "30"}, (60, 250, 30), id="both, lowered"),
        pytest.param({READ_TIMEOUT: "", RESPONSE_TIMEOUT: ""}, (240, 250, 600), id="empty"),
        pytest.param({READ_TIMEOUT: "5m", RESPONSE_TIMEOUT: "ten"}, (240, 250, 600), id="no numbers"),
        pytest.param({READ_TIMEOUT: "0", RESPONSE_TIMEOUT: "-1"}, (240, 250, 600), id="not positive"),
        pytest.param({READ_TIMEOUT: "nan", RESPONSE_TIMEOUT: "NaN"}, (240, 250, 600), id="not a number"),
        pytest.param({SILENCE_TIMEOUT: "900"}, (240, 250, 600), id="silence is the SDK's to tell"),
    ],
)
def test_a_local_plugin_reads_the_limits_where_they_are_set(
    environment: Mapping[str, str], expected: tuple[float, float, float]
) -> None:
    assert found(environment) == expected


def test_raising_the_sdks_limit_lifts_the_silence() -> None:
    assert found(sdk_silence=900) == (240, 900, 600)


@pytest.mark.parametrize(
    ("run_timeout", "is_local", "expected"),
    [
        pytest.param(60, True, (240, 250, 600), id="local: what was found still holds"),
        pytest.param(3600, True, (240, 250, 600), id="local: and is never gone beyond"),
        pytest.param(3600, False, (inf, 250, inf), id="elsewhere: taken at its word"),
        pytest.param(None, False, (240, 250, 600), id="elsewhere: the defaults"),
    ],
)
def test_run_timeout_stands_for_what_can_not_be_read(
    run_timeout: float | None, is_local: bool, expected: tuple[float, float, float]
) -> None:
    assert found(is_local=is_local, run_timeout=run_timeout) == expected


@pytest.mark.parametrize("is_local", [True, False], ids=["local", "elsewhere"])
def test_run_timeout_is_a_limit_of_its_own(is_local: bool) -> None:
    assert Limits.found({}, is_local=is_local, sdk_silence=250, run_timeout=60).own == 60


@pytest.mark.parametrize("is_local", [True, False])
def test_past_the_daemon_only_the_response_has_a_limit(is_local: bool) -> None:
    limits = Limits.found({}, is_local=is_local, sdk_silence=1200, run_timeout=None, has_app_key=True)
    assert limits.run == inf
    assert limits.silence == pytest.approx(1176.0)
    assert limits.response == pytest.approx(588.0)


def test_elsewhere_the_environment_is_not_the_daemons() -> None:
    assert found({READ_TIMEOUT: "900000", RESPONSE_TIMEOUT: "1800"}, is_local=False) == (240, 250, 600)


REACHED: Final = Limits(own=30, run=235.2, silence=245, response=588)


@pytest.mark.parametrize(
    ("error", "code", "seconds", "knob"),
    [
        (own_timeout_error(REACHED), "run_timeout", "30 s", "run_timeout"),
        (run_timeout_error(REACHED), "run_timeout", "235.2 s", READ_TIMEOUT),
        (silence_timeout_error(REACHED), "silence_timeout", "245 s", SILENCE_TIMEOUT),
        (response_timeout_error(REACHED), "response_timeout", "588 s", RESPONSE_TIMEOUT),
    ],
    ids=["own", "run", "silence", "response"],
)
def test_a_reached_limit_is_named_with_the_knob_that_lifts_it(
    error: DuckError, code: str, seconds: str, knob: str
) -> None:
    assert (error.code, error.status) == (code, 504)
    assert seconds in error.message
    assert knob in error.remedy

"""The platform's clocks, and Duck's own a little before them (law 13).

A local plugin inherits the daemon's environment, so there the daemon's limits are read where they are set. A plugin
that is debugged remotely, or runs serverless, can't see them: there the defaults hold, or the setting `run_timeout`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import DuckError

READ_TIMEOUT: Final = "DIFY_BACKWARDS_INVOCATION_READ_TIMEOUT"
"""Milliseconds; one reverse call in all, from its first event on (daemon: http_requests/http_warpper.go)."""

READ_TIMEOUT_DEFAULT: Final = 240.0
"""Seconds (daemon 0.6.3 to 0.6.10; measured 240.4 to 240.7, wire 14.5)."""

RESPONSE_TIMEOUT: Final = "PLUGIN_MAX_EXECUTION_TIMEOUT"
"""Seconds; the response, from its first chunk on (daemon: service/endpoint.go)."""

RESPONSE_TIMEOUT_DEFAULT: Final = 600.0
"""Seconds (measured 600.05, wire 14.5)."""

SILENCE_TIMEOUT: Final = "MAX_INVOCATION_TIMEOUT"
"""Seconds without an event (SDK: core/runtime.py); the SDK tells its value, wherever the plugin runs."""

MARGIN: Final = 0.02
"""Part of a limit that Duck leaves: it ends a stream at 98 % of the platform's time (own choice: 4.8 s of 240 s)."""

LEAST_MARGIN: Final = 0.5
"""Seconds; a frame may be held for 250 ms, and an end waits for 200 ms."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Duck's own clocks, in seconds; infinity where there is none.

    own: the setting `run_timeout`, from the start on. The others each stay below one of the platform's: run, from the
    first event on; silence, between two events; response, from the first chunk on.
    """

    own: float
    run: float
    silence: float
    response: float

    @classmethod
    def found(
        cls,
        environment: Mapping[str, str],
        *,
        is_local: bool,
        sdk_silence: float,
        run_timeout: float | None,
        has_app_key: bool = False,
    ) -> "Limits":
        """The limits that hold for a call.

        environment: `os.environ`. is_local: whether the daemon runs this plugin as a process of its own, so that it
        sees the daemon's limits; elsewhere a `run_timeout` (seconds, None when the setting is empty) stands for them.
        sdk_silence: the SDK's `max_invocation_timeout`, seconds. has_app_key: whether the call goes past the daemon,
        to Dify's Service API, so that the limit of one reverse call does not hold.
        """
        own = float("inf") if run_timeout is None else run_timeout
        silence = _before(sdk_silence)
        if not is_local and run_timeout is not None:
            return cls(own, float("inf"), silence, float("inf"))
        seen = environment if is_local else {}
        run = _before(_seconds(seen.get(READ_TIMEOUT), READ_TIMEOUT_DEFAULT, per_second=1000))
        response = _seconds(seen.get(RESPONSE_TIMEOUT), RESPONSE_TIMEOUT_DEFAULT)
        return cls(own, float("inf") if has_app_key else run, silence, _before(response))


def _before(limit: float) -> float:
    """Duck's own limit, a little before the platform's; half of one that is shorter than the margin."""
    return max(limit - max(limit * MARGIN, LEAST_MARGIN), limit / 2)


def own_timeout_error(limits: Limits) -> DuckError:
    return DuckError(
        "run_timeout",
        f"The run was ended after {limits.own:g} s, the run_timeout of this endpoint.",
        "Its operator can raise run_timeout in Duck's settings.",
    )


def run_timeout_error(limits: Limits) -> DuckError:
    return DuckError(
        "run_timeout",
        f"The run was ended after {limits.run:g} s, just before Dify's plugin daemon would have cut it.",
        f"Raise {READ_TIMEOUT} (milliseconds) in the daemon's environment; a plugin that is debugged remotely does not "
        "see that, and needs run_timeout in Duck's settings too.",
    )


def silence_timeout_error(limits: Limits) -> DuckError:
    return DuckError(
        "silence_timeout",
        f"The app sent nothing for {limits.silence:g} s, and the plugin's SDK waits hardly longer.",
        f"Raise {SILENCE_TIMEOUT} (seconds) in the environment of the plugin daemon, or of a plugin debugged remotely.",
    )


def response_timeout_error(limits: Limits) -> DuckError:
    return DuckError(
        "response_timeout",
        f"The response was ended after {limits.response:g} s, just before Dify's plugin daemon would have cut it.",
        f"Raise {RESPONSE_TIMEOUT} (seconds) in the daemon's environment; a plugin that is debugged remotely does not "
        "see that, and needs run_timeout in Duck's settings too.",
    )


def _seconds(text: str | None, default: float, per_second: float = 1) -> float:
    """The limit that the daemon reads from `text`; its default where that is no positive number."""
    try:
        value = float(text or "") / per_second
    except ValueError:
        return default
    return value if value > 0 else default

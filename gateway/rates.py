"""How often a caller may call (`rate_limit`): counted in this process, so each replica counts for itself.

Fixed windows that begin with a caller's first call: the wait that `Retry-After` names is exact, and nothing is kept of
a caller once the window is over.
"""

import math
import time
from collections.abc import Sequence
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import DuckError
from gateway.settings import Rate

_limiter: Final = FixedWindowRateLimiter(MemoryStorage())


def count_call(rates: Sequence[Rate], endpoint_id: str, caller: str, user: str) -> dict[str, str]:
    """Counts one call, and tells what is left in header fields (draft-ietf-httpapi-ratelimit-headers-10).

    user: of a caller with a token, who is counted apart. Raises `rate_limited` for one call too many, which is not
    counted itself: a client that keeps on trying must not use up its day.
    """
    if not rates:
        return {}
    items = {f"{rate.amount}-in-{rate.seconds}s": RateLimitItemPerSecond(rate.amount, rate.seconds) for rate in rates}
    who = (endpoint_id, caller, user)
    is_over = [name for name, item in items.items() if not _limiter.test(item, *who)]
    if not is_over:
        for item in items.values():
            _limiter.hit(item, *who)
    left = {name: _limiter.get_window_stats(item, *who) for name, item in items.items()}
    headers = {
        "RateLimit-Policy": ", ".join(
            f'"{name}";q={item.amount};w={item.get_expiry()}' for name, item in items.items()
        ),
        "RateLimit": ", ".join(
            f'"{name}";r={stats.remaining};t={_seconds_to(stats.reset_time)}' for name, stats in left.items()
        ),
    }
    if is_over:
        wait = max(_seconds_to(left[name].reset_time) for name in is_over)
        raise _rate_limited(items[is_over[0]], wait, headers)
    return headers


def _seconds_to(moment: float) -> int:
    """Whole seconds, so that whoever waits them is not too early."""
    return max(1, math.ceil(moment - time.time()))


def _rate_limited(item: RateLimitItem, wait: int, headers: dict[str, str]) -> DuckError:
    return DuckError(
        "rate_limited",
        f"This caller may call {item.amount} times in {item.get_expiry()} s, and has.",
        f"Try again in {wait} s; the endpoint's operator can raise rate_limit.",
        headers={**headers, "Retry-After": str(wait)},
    )

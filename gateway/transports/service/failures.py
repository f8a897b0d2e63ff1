"""What goes wrong on the way to Dify's Service API, as `DuckError`s; what a reply of it says is `diagnosis`'s.

None names the address or a key.
"""

from typing import Final

import httpx

from gateway.errors import DuckError

RETRY_AFTER: Final = 10
"""Seconds; some run will have ended by then (own choice)."""


def from_client(error: Exception, silence: float) -> DuckError:
    """What an exception of the HTTP client means. silence: seconds that it waited for a byte."""
    match error:
        case httpx.PoolTimeout():
            return _pool_full()
        case httpx.ConnectError() if "[SSL" in str(error):  # as Python's ssl begins its texts
            return _untrusted()
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            return _unreachable()
        case httpx.TimeoutException():
            return _silent(silence)
        case _:
            return _interrupted()


def unreadable_event() -> DuckError:
    """An event of the Service API's stream that is no JSON, or too large."""
    return DuckError(
        "dify_error",
        "Dify sent an event that can't be read, so the rest of its run is not shown.",
        "If it comes again, what stands between Duck and Dify's API may change the stream.",
    )


def _unreachable() -> DuckError:
    """No connection to the Service API; nothing was sent."""
    return DuckError(
        "dify_unreachable",
        "Duck could not connect to Dify's Service API.",
        "Its operator sees that Dify is up, and that dify_api_url can be reached from where the plugin runs.",
    )


def _untrusted() -> DuckError:
    """The TLS handshake with the Service API failed; nothing was sent."""
    return DuckError(
        "dify_unreachable",
        "Duck could not make a trusted connection to Dify's Service API: the TLS handshake failed.",
        "Its operator sees to the certificate; one of a private authority is trusted by SSL_CERT_FILE in the plugin's "
        "environment.",
    )


def _interrupted() -> DuckError:
    """The connection to the Service API broke after something was sent, so the app may have run."""
    return DuckError(
        "dify_unreachable",
        "The connection to Dify's Service API broke before its reply was whole.",
        "Try again; the app may have run.",
    )


def _silent(seconds: float) -> DuckError:
    """The Service API sent nothing, not even a ping, for so long."""
    return DuckError(
        "silence_timeout",
        f"Dify's Service API sent nothing for {seconds:g} s, where it gives a sign of life every 10 s.",
        "The log of Dify's API container may have the cause; its streams need the Celery worker too.",
    )


def cannot_set_up() -> DuckError:
    """The environment names a proxy, or certificates, that can't be used."""
    return DuckError(
        "misconfigured",
        "Duck can't set up its connections to Dify's Service API: the plugin's environment names a proxy, or a file of "
        "certificates, that can't be used.",
        "Its operator sees to HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.",
    )


def too_large(most: int) -> DuckError:
    """A reply of more bytes than that."""
    return DuckError("dify_error", f"Dify's reply has more than {most:,} bytes, and Duck passes on no more.")


def slow(seconds: float) -> DuckError:
    """A short question to the Service API that took too long in all."""
    return DuckError(
        "silence_timeout",
        f"Dify's Service API did not answer within {seconds:g} s.",
        "Try again later; the log of Dify's API container may have the cause.",
    )


def _pool_full() -> DuckError:
    """All connections that Duck makes to one address are in use; nothing was sent."""
    return DuckError(
        "dify_busy",
        "All of Duck's connections to Dify's Service API are in use.",
        "Try again later.",
        headers={"Retry-After": str(RETRY_AFTER)},
    )

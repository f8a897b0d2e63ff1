"""How senders sign what they send: a table of schemes, and one function that checks any of them.

All of them are an HMAC over the raw body, most with a time and some with an id beside it. What was signed is put
together from the request's own text and compared as text, whole and in constant time, so that no second spelling of a
signature is good too. No clock is read here.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from werkzeug.datastructures import Headers

TOLERANCE: Final = 300
"""Seconds that a signed time may be off, either way (Standard Webhooks, Stripe and Slack agree on five minutes)."""

BODY: Final = "{body}"
TIMESTAMP: Final = "{timestamp}"
ID: Final = "{id}"

_TIME: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
"""Unix seconds, spelled in one way only: where a time touches the body, a zero could change sides."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
"""No character of an id may be one of those that stand around it: `a.` and `1` would sign the same as `a` and `.1`."""

type Algorithm = Literal["sha1", "sha256", "sha512"]
type Encoding = Literal["hex", "base64"]


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """The headers of a signature, of the time and of the id that are signed; `""` where there is none."""

    signature: str
    timestamp: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One sender's way to sign.

    headers: the first of these whose signature is there counts. signed: what is signed, in parts, of which `BODY`,
    `TIMESTAMP` and `ID` stand for the request's own. separator: what stands between several signatures in one header,
    `""` where there is only one. prefix: what stands before each; what begins with anything else is none.
    timestamp_prefix: how the time begins, where it stands among the signatures. id_member: the member of a JSON body
    that holds the delivery's id, where a sender signs each attempt anew. has_base64_key: whether the secret is the key
    in base64.
    """

    name: str
    headers: tuple[HeaderNames, ...]
    signed: tuple[str, ...]
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str = ""
    timestamp_prefix: str = ""
    id_member: str = ""
    has_base64_key: bool = False


STANDARD: Final = Scheme(
    "standard",
    (
        HeaderNames("svix-signature", "svix-timestamp", "svix-id"),
        HeaderNames("webhook-signature", "webhook-timestamp", "webhook-id"),
    ),
    (ID, ".", TIMESTAMP, ".", BODY),
    encoding="base64",
    prefix="v1,",
    separator=" ",
    has_base64_key=True,
)
"""Standard Webhooks 1.0, and Svix, which it comes from; Svix's own library looks for its own headers first."""

GITHUB: Final = Scheme("github", (HeaderNames("X-Hub-Signature-256"),), (BODY,), prefix="sha256=")
"""GitHub docs, "Validating webhook deliveries". No time is signed, and `X-GitHub-Delivery` is not signed either."""

STRIPE: Final = Scheme(
    "stripe",
    (HeaderNames("Stripe-Signature"),),
    (TIMESTAMP, ".", BODY),
    prefix="v1=",
    separator=",",
    timestamp_prefix="t=",
    id_member="id",
)
"""Stripe docs, "Verify webhook signatures manually"; each attempt is signed anew, and the event's id stays."""

SLACK: Final = Scheme(
    "slack",
    (HeaderNames("X-Slack-Signature", "X-Slack-Request-Timestamp"),),
    ("v0:", TIMESTAMP, ":", BODY),
    prefix="v0=",
    id_member="event_id",
)
"""Slack docs, "Verifying requests from Slack"; each attempt is signed anew, and the event's id stays."""

SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {"standard": STANDARD, "svix": STANDARD, "github": GITHUB, "stripe": STRIPE, "slack": SLACK}
)
"""By the name that an operator writes; what is none of these is described by the app's own entry (`GENERIC`)."""

GENERIC: Final = "generic"

KEY_PREFIX: Final = "whsec_"
"""How a secret of Svix, Standard Webhooks and Stripe begins."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a sender signs with. alias: of the only app that it opens."""

    alias: str
    scheme: Scheme
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that its sender has signed. id: the signed one, `""` for none. digest: the signature itself, in hex."""

    scheme: Scheme
    id: str
    digest: str


class Refusal(StrEnum):
    """Why a request is not let in, in words for the operator's log; the last of them tells most."""

    UNKNOWN_APP = "unknown_app"
    NO_SECRET = "app_without_a_secret"  # noqa: S105 - a word, and no secret
    UNSIGNED = "unsigned"
    WRONG = "wrong_signature"
    STALE = "old_or_early_timestamp"


def key_of(scheme: Scheme, text: str) -> bytes:
    """The key in an operator's secret. Raises `ValueError` for what can be none."""
    if not scheme.has_base64_key:
        return text.encode("utf-8", "surrogatepass")
    encoded = text.removeprefix(KEY_PREFIX).rstrip("=")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def strength_of(secret: Secret) -> int:
    """How many bytes of the key are its own; Stripe's has the prefix in it."""
    return len(secret.key.removeprefix(KEY_PREFIX.encode()))


def check_all(secrets: Iterable[Secret], alias: str, headers: Headers, body: bytes, now: float) -> Signed | Refusal:
    """Who has signed this request for the app with this alias, `""` for an app that is none; else why nobody has.

    Tried with every secret there is, whoever's, so that the time tells nothing about the app. now: Unix seconds.
    """
    tried = [(secret.alias, check(secret, headers, body, now)) for secret in secrets]
    own = [result for owner, result in tried if owner == alias]
    signed = next((result for result in own if isinstance(result, Signed)), None)
    if signed:
        return signed
    if not alias:
        return Refusal.UNKNOWN_APP
    return max((result for result in own if isinstance(result, Refusal)), key=_TELLING, default=Refusal.NO_SECRET)


_TELLING: Final = [*Refusal].index


def check(secret: Secret, headers: Headers, body: bytes, now: float) -> Signed | Refusal:
    """Whether this secret's owner has signed the request, within `TOLERANCE` of now where a time is signed."""
    scheme = secret.scheme
    given = _given(scheme, headers)
    if given is None:
        return Refusal.UNSIGNED
    texts = {TIMESTAMP: given.timestamp.encode(), ID: given.id.encode(), BODY: body}
    content = b"".join(texts.get(part, part.encode("utf-8", "surrogatepass")) for part in scheme.signed)
    digest = hmac.digest(secret.key, content, scheme.algorithm)
    expected = digest.hex().encode() if scheme.encoding == "hex" else base64.b64encode(digest)
    matches = [hmac.compare_digest(expected, signature) for signature in given.signatures]
    if not any(matches):
        return Refusal.WRONG
    if given.timestamp and abs(now - int(given.timestamp)) > TOLERANCE:
        return Refusal.STALE
    return Signed(scheme, given.id, digest.hex())


@dataclass(frozen=True, slots=True)
class _Given:
    """What a request says of its own signature."""

    signatures: tuple[bytes, ...]
    timestamp: str
    id: str


def _given(scheme: Scheme, headers: Headers) -> _Given | None:
    """None where a header that the scheme needs is missing, or not of its form."""
    names = next((names for names in scheme.headers if names.signature in headers), None)
    if names is None:
        return None
    value = headers[names.signature].strip()
    listed = [item.strip() for item in (value.split(scheme.separator) if scheme.separator else [value])]
    signatures = tuple(
        item.removeprefix(scheme.prefix).encode("utf-8", "surrogatepass")
        for item in listed
        if item.startswith(scheme.prefix)
    )
    timestamps = _timestamps(scheme, names, headers, listed)
    id_ = headers.get(names.id, "").strip() if names.id else ""
    if (
        not signatures
        or (TIMESTAMP in scheme.signed) != (len(timestamps) == 1)
        or (names.id and not _ID.fullmatch(id_))
    ):
        return None
    timestamp = timestamps[0] if timestamps else ""
    return None if timestamps and not _TIME.fullmatch(timestamp) else _Given(signatures, timestamp, id_)


def _timestamps(scheme: Scheme, names: HeaderNames, headers: Headers, listed: list[str]) -> list[str]:
    """The signed times that a request names; of several it can't be told which was meant."""
    if scheme.timestamp_prefix:
        prefix = scheme.timestamp_prefix
        return [item.removeprefix(prefix) for item in listed if item.startswith(prefix)]
    return [headers[names.timestamp].strip()] if names.timestamp in headers else []

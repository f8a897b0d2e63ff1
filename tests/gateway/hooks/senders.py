"""Senders of webhooks: each signs with its vendor's own library, the others as their documentation says."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import stripe
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

GENERIC_ENTRY: Final = (
    "{header: X-Signature, prefix: 'sha512=', algorithm: sha512, encoding: base64, "
    "signed: '{id}.{timestamp}.{body}', timestamp: X-Time, id: X-Id}"
)
"""The `hook.signature` of the sender that is in no table."""

type Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sender:
    """sign: headers for a secret, a body, Unix seconds and an id. signs_time, signs_id: whether those are signed."""

    scheme: str
    secret: str
    other_secret: str
    sign: Callable[[str, str, int, str], Headers]
    signs_time: bool = True
    signs_id: bool = False

    def headers(self, body: str, now: float, id_: str = "msg_1", secret: str = "") -> Headers:
        return self.sign(secret or self.secret, body, int(now), id_)

    @property
    def setting(self) -> str:
        """The part of an entry of `webhook_secrets` behind the alias."""
        return f"{self.scheme}:{self.secret}"


def _standard(secret: str, body: str, now: int, id_: str) -> Headers:
    signature = StandardWebhook(secret).sign(id_, datetime.fromtimestamp(now, UTC), body)
    return {"webhook-id": id_, "webhook-timestamp": str(now), "webhook-signature": signature}


def _svix(secret: str, body: str, now: int, id_: str) -> Headers:
    signature = SvixWebhook(secret).sign(id_, datetime.fromtimestamp(now, UTC), body)
    return {"svix-id": id_, "svix-timestamp": str(now), "svix-signature": signature}


def _github(secret: str, body: str, _now: int, id_: str) -> Headers:
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": id_, "X-GitHub-Event": "issues"}


def _stripe(secret: str, body: str, now: int, _id: str) -> Headers:
    return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body, secret, now)}


def _slack(secret: str, body: str, now: int, _id: str) -> Headers:
    signature = SignatureVerifier(secret).generate_signature(timestamp=str(now), body=body)
    return {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": signature or ""}


def _generic(secret: str, body: str, now: int, id_: str) -> Headers:
    digest = hmac.new(secret.encode(), f"{id_}.{now}.{body}".encode(), hashlib.sha512).digest()
    return {"X-Signature": f"sha512={base64.b64encode(digest).decode()}", "X-Time": str(now), "X-Id": id_}


def _base64_secret(letter: str) -> str:
    return "whsec_" + base64.b64encode(letter.encode() * 24).decode()


SENDERS: Final[Mapping[str, Sender]] = {
    "standard": Sender("standard", _base64_secret("a"), _base64_secret("b"), _standard, signs_id=True),
    "svix": Sender("svix", _base64_secret("c"), _base64_secret("d"), _svix, signs_id=True),
    "github": Sender("github", "github-secret-0123456789", "another-secret-0123456789", _github, signs_time=False),
    "stripe": Sender("stripe", "whsec_stripe0123456789", "whsec_another0123456789", _stripe),
    "slack": Sender("slack", "8f742231b10e8888abcd99yyyzzz85a5", "another-secret-0123456789", _slack),
    "generic": Sender("generic", "generic-secret-0123456789", "another-secret-0123456789", _generic, signs_id=True),
}

"""Tokens for browsers and mobile apps: short-lived, signed, bound to one caller, one app and one user.

A token holds all that it says (RFC 6750 carries it), so any replica can read it; what it says can be read by whoever
has it. It can't be called back before its time, but it ends with its caller: one who has no key any more, or whose
scope has lost the app, gets nowhere with it.
"""

import hmac
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from itsdangerous import URLSafeSerializer
from pydantic import BaseModel, ConfigDict, Field
from werkzeug import Request

from gateway.access import TOKEN_PREFIX, Caller
from gateway.body import read_json_object, validated
from gateway.secret import secrets_to_try, workspace_secret
from gateway.settings import App, Settings
from gateway.transports.interface import Storage
from gateway.wire import json_text

MAX_LIFE: Final = 3600
"""Seconds (issue "Access")."""

DEFAULT_LIFE: Final = 600
"""Seconds; a page asks its own server for another one when it is over (own choice)."""


_MEMBERS: Final = 5
"""What a token says: caller, app, the app's alias, user, and when it ends."""


class TokenRequest(BaseModel):
    """What is asked for: app: an alias or an id, None for the default one. user: whom the caller knows by this name.
    expires_in: seconds.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    app: str | None = None
    user: str = Field(min_length=1, max_length=256)
    expires_in: int = Field(DEFAULT_LIFE, ge=1, le=MAX_LIFE)


def read_token_request(request: Request) -> TokenRequest:
    """The request's body. Raises `DuckError`: 400, 413, 415."""
    return validated(TokenRequest, read_json_object(request))


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one endpoint."""

    endpoint_id: str
    storage: Storage
    settings: Settings

    def issue(self, caller: Caller, app: App, user: str, expires_at: int) -> str:
        """A token. expires_at: Unix seconds. Raises `storage_unavailable`."""
        said = [caller.name, app.app_id, app.alias, user, expires_at]
        return TOKEN_PREFIX + self._serializer(workspace_secret(self.endpoint_id, self.storage)).dumps(said)

    def caller(self, text: str) -> Caller | None:
        """Whom a token speaks for; None for a text that is no token, or none any more. Raises `storage_unavailable`."""
        if not text.startswith(TOKEN_PREFIX) or not self.settings.access_keys:
            return None
        said = self._verified(text.removeprefix(TOKEN_PREFIX))
        if not isinstance(said, list) or len(said) != _MEMBERS:  # an earlier version of Duck may have signed it
            return None
        name, app_id, alias, user, expires_at = said
        has_key = any(key.caller == name for key in self.settings.access_keys)
        return Caller(name, app_id, alias, user) if has_key and time.time() < expires_at else None

    def _verified(self, signed: str) -> Any:
        payload = signed.rpartition(".")[0].encode()
        for secret in secrets_to_try(self.endpoint_id, self.storage):
            serializer = self._serializer(secret)
            # Signed anew and compared: base64 would read the same signature in several spellings.
            if hmac.compare_digest(serializer.make_signer(serializer.salt).sign(payload), signed.encode()):
                return serializer.load_payload(payload)
        return None

    def _serializer(self, secret: bytes) -> URLSafeSerializer:
        salt = json_text(["token", self.endpoint_id])
        signer = {"key_derivation": "hmac", "digest_method": sha256}
        return URLSafeSerializer(secret, salt=salt.encode(), signer_kwargs=signer)

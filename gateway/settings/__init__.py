"""What an operator has chosen: read from Dify's settings form, once per distinct content."""

from gateway.settings.apps import APP_SELECTORS
from gateway.settings.callers import MIN_KEY_LENGTH
from gateway.settings.reader import OPEN_RATE, parse
from gateway.settings.values import (
    ANONYMOUS,
    DEFAULT_MAX_STREAMS,
    PLACEHOLDERS,
    Access,
    AccessKey,
    App,
    ConversationIds,
    Exposure,
    Fault,
    MemoryMode,
    Rate,
    Scope,
    Service,
    Settings,
    ThinkTags,
    Webhooks,
    canonical_id,
)

__all__ = [
    "ANONYMOUS",
    "APP_SELECTORS",
    "DEFAULT_MAX_STREAMS",
    "MIN_KEY_LENGTH",
    "OPEN_RATE",
    "PLACEHOLDERS",
    "Access",
    "AccessKey",
    "App",
    "ConversationIds",
    "Exposure",
    "Fault",
    "MemoryMode",
    "Rate",
    "Scope",
    "Service",
    "Settings",
    "ThinkTags",
    "Webhooks",
    "canonical_id",
    "parse",
]

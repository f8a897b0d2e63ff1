"""The HTTP errors with which Dify's inner API refuses to start a run (facts: wire section 4, A).

Owns their statuses and codes; who is refused, and when, is decided elsewhere.
"""

from workbench.app import Refused


def invalid_param(message: str) -> Refused:
    """What any `ValueError` of Dify's becomes. The message may be empty: an unknown conversation has none."""
    return Refused(400, "invalid_param", message)


def internal_server_error() -> Refused:
    """What any other exception of Dify's becomes; its text is lost."""
    return Refused(500, "unknown", "Internal Server Error")

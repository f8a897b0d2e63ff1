"""Responses: `POST …/responses`."""

from gateway.protocols.openai.responses.reply import read

__all__ = ["read"]

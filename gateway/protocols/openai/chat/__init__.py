"""Chat Completions: `POST …/chat/completions`."""

from gateway.protocols.openai.chat.reply import read

__all__ = ["read"]

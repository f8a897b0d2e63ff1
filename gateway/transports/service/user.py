"""The end user that Dify is told of."""

import re
from hashlib import sha256
from typing import Final

MOST_CHARACTERS: Final = 255
"""Of a user in Dify's database (EndUser.session_id)."""

_DIGEST: Final = re.compile(r".*:[0-9a-f]{64}", re.DOTALL)
"""How a shortened name ends; a name that itself ends so is told apart by being shortened too."""


def dify_user(name: str) -> str:
    """The name as Dify can keep it: itself, or, for one that is too long or no database's text, the beginning of it and
    its SHA-256, so that two names are never one user.
    """
    is_kept = len(name) <= MOST_CHARACTERS and not any(_is_no_text(character) for character in name)
    if is_kept and not _DIGEST.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    begin = "".join("_" if _is_no_text(character) else character for character in name)
    return f"{begin[: MOST_CHARACTERS - len(digest) - 1]}:{digest}"


def _is_no_text(character: str) -> bool:
    """PostgreSQL's text holds no NUL, and UTF-8 no lone surrogate."""
    return character == "\0" or "\ud800" <= character <= "\udfff"

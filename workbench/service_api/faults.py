"""How the Service API misbehaves when a test asks for it.

Owns the list of faults and which requests one meets; `faulty.py` does what it says.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

type Kind = Literal[
    "down",
    "closing",
    "failing",
    "unauthorized",
    "html",
    "redirect",
    "page",
    "mislabelled",
    "cut",
    "half",
    "ending",
    "hanging",
]
"""What is wrong, with every request that the fault is meant for:

- `down`: connections are refused, those that are open are closed; of all apps only
- `closing`: the request is read, then the connection closed without an answer
- `failing`: 500 with Dify's JSON; `unauthorized`: 401 with Dify's JSON
- `html`: a proxy's 502 page; `page`: a 200 page, as of a proxy that wants one to log in
- `redirect`: 307 to another path of this server

or with every stream:

- `mislabelled`: it has the content type `application/octet-stream`
- `cut`: after `after` frames the connection is closed; `half`: and half of the next frame was sent
- `ending`: after `after` frames the body ends, in good order
- `hanging`: after `after` frames nothing more comes, no ping either
"""


class Fault(BaseModel):
    """`delay`: seconds before the answer begins. `gap`: seconds before each frame of a stream. `after`: frames.

    `path`: only requests whose path below the base URL begins so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind | None = None
    delay: float = Field(default=0, ge=0, allow_inf_nan=False)
    gap: float = Field(default=0, ge=0, allow_inf_nan=False)
    after: int = Field(default=1, ge=0)
    path: str = "/"


WELL = Fault()


class Faults:
    """One fault for each app, by alias, and one for all of them; an app's own comes first."""

    def __init__(self) -> None:
        self._by_app: dict[str | None, Fault] = {}

    def put(self, alias: str | None, fault: Fault) -> None:
        """None: for all apps."""
        self._by_app[alias] = fault

    def heal(self) -> None:
        self._by_app.clear()

    def meeting(self, alias: str | None, path: str) -> Fault:
        for name in (alias, None):
            fault = self._by_app.get(name)
            if fault is not None and path.startswith(fault.path):
                return fault
        return WELL

    @property
    def down(self) -> bool:
        fault = self._by_app.get(None)
        return fault is not None and fault.kind == "down"

    def shown(self) -> dict[str, dict[str, object]]:
        """By alias, `*` for all."""
        return {name or "*": fault.model_dump(mode="json") for name, fault in self._by_app.items()}

"""One operation of the description, and how it is written in OpenAPI's own words (OpenAPI 3.1.1, 4.8.10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.openapi.failures import Failures, bare_type
from gateway.openapi.schema import Schema

READING: Final = (400, 413, 415)
"""What is answered to a body that can't be read."""

ADMITTING: Final = (401, 403, 429, 500, 503)
"""What is answered to whoever is not let in."""

CHOOSING: Final = (404,)
RUNNING: Final = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Media:
    """A body of one content type. example: None for none; a tuple for several. event: of a stream, what one of its
    events is; OpenAPI has a word for it from 3.2 on, and here it is an extension of the same name.
    """

    schema: Schema
    example: Any = None
    event: Schema | None = None

    def written(self) -> dict[str, Any]:
        several = isinstance(self.example, tuple)
        shown = (
            {f"example{number}": {"value": value} for number, value in enumerate(self.example, 1)} if several else None
        )
        more = {"example": None if several else self.example, "examples": shown, "x-itemSchema": self.event}
        return {"schema": self.schema, **{name: value for name, value in more.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation answers with when all is well. headers: names of shared headers beside `X-Request-Id`."""

    about: str
    content: Mapping[str, Media] = field(default_factory=dict)
    headers: tuple[str, ...] = ()

    def written(self) -> dict[str, Any]:
        names = ("X-Request-Id", *self.headers)
        headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        content = {bare_type(type_): media.written() for type_, media in self.content.items()}
        return {"description": self.about, "headers": headers, **({"content": content} if content else {})}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A member of the query string (`in: query`), or a header."""

    name: str
    about: str
    schema: Schema
    place: str = "query"
    is_required: bool = False

    def written(self) -> dict[str, Any]:
        needed = {"required": True} if self.is_required else {}
        return {"name": self.name, "in": self.place, "description": self.about, **needed, "schema": self.schema}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method does at one path.

    id: a name for generators of clients; theirs where a protocol's own description has one. body: by content type; of
    several, the first is what a client should send. failures: the statuses of errors, all in one shape. security: ways
    to be let in, any of which is enough, `""` for none at all; None for those of nearly all operations, empty for none.
    """

    id: str
    summary: str
    tag: str
    replies: Mapping[int, Reply]
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Media] = field(default_factory=dict)
    needs_body: bool = True
    failures: Failures | None = None
    statuses: tuple[int, ...] = ()
    security: tuple[str, ...] | None = None

    def written(self, path_parameters: tuple[str, ...]) -> dict[str, Any]:
        """The Operation Object. path_parameters: names of those that the path has."""
        in_path = [{"$ref": f"#/components/parameters/{name}"} for name in path_parameters]
        parameters = [*in_path, *(parameter.written() for parameter in self.parameters)]
        return {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            **({"description": self.about} if self.about else {}),
            **(
                {"security": [{name: []} if name else {} for name in self.security]}
                if self.security is not None
                else {}
            ),
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": self._body()} if self.body else {}),
            "responses": self._responses(),
        }

    def _body(self) -> dict[str, Any]:
        return {
            "required": self.needs_body,
            "content": {type_: media.written() for type_, media in self.body.items()},
        }

    def _responses(self) -> dict[str, Any]:
        told = {str(status): reply.written() for status, reply in self.replies.items()}
        if self.failures:
            name = self.failures.name
            statuses = sorted(set(self.statuses))
            told |= {str(status): {"$ref": f"#/components/responses/{name}{status}"} for status in statuses}
        return dict(sorted(told.items()))

"""What Duck says of itself, and the tokens that it gives."""

from typing import Final

from gateway.about import about
from gateway.openapi.native import PROBLEM
from gateway.openapi.operation import ADMITTING, CHOOSING, READING, Media, Operation, Parameter, Reply
from gateway.openapi.schema import (
    Schema,
    Schemas,
    anything,
    constant,
    flag,
    items,
    mapping,
    nullable,
    of_model,
    record,
    ref,
    says,
    text,
    whole,
    word,
)
from gateway.openapi.security import KEYS
from gateway.tokens import TokenRequest

TAG: Final = "Duck"

_TOKEN_MEMBERS: Final[Schemas] = {
    "app": says("The app's alias or id; it may be left out where an address may leave it out."),
    "user": says("Your name for the end user."),
    "expires_in": says("Seconds."),
}
_TOKEN: Final = {
    "token": "duck-token-WyJkZW1vIiwi….3R2m7Yc1pJcM0xgGVUq7x0pJY0b6l3cY8l1mQ2nUuQE",
    "token_type": "Bearer",
    "app": "app",
    "user": "ann",
    "expires_in": 600,
    "expires_at": 1_790_000_600,
}


_FIELD: Final = record(
    "A field of an app's form.",
    {"name": text(), "type": text("Dify's type of it."), "required": flag()},
    {
        "label": text(),
        "description": text(),
        "options": items(text(), "Of a select."),
        "default": anything("What holds where it is left out."),
        "max_length": whole("Characters of a text, files of a list."),
        "file_types": items(text()),
    },
)
_APP: Final = record(
    "An app, as far as Dify tells of it.",
    {
        "alias": text("Its name in addresses, and as a model."),
        "title": text(),
        "about": text(),
        "kind": text("Empty where it is not known."),
        "is_default": flag("Whether it is meant where a call names none."),
        "status": text("`ok`, or the code of why it can't be reached."),
    },
    {
        "problem": text("Why it can't be reached, and what to do."),
        "transport": word("The way to it.", "reverse", "service_api"),
        "needs_query": nullable(flag("Null where it is not known.")),
        "inputs": items(_FIELD),
        "takes_files": flag("Whether files may go with the query."),
        "opening_statement": text(),
        "suggested_questions": items(text()),
    },
)
_LIMIT: Final = record(
    "A limit.",
    {
        "name": text(),
        "value": whole(),
        "unit": word("What is counted.", "seconds", "calls", "runs", "bytes"),
        "lifted_by": text("A setting, or a variable of the daemon's."),
    },
    {"period": whole("Seconds in which so many calls may come.")},
)


def schemas() -> dict[str, Schema]:
    route = record("", {"path": text("Below the endpoint's address."), "methods": items(text()), "about": text()})
    return {
        "About": record(
            "What Duck is; for a caller with a key also what it may call.",
            {
                "name": constant("duck"),
                "version": text(),
                "about": text(),
                "documentation": text(),
                "openapi": text("Where this description is."),
                "authentication": text(),
                "routes": items(route),
            },
            {
                "caller": text("Who calls, as the endpoint's settings name it."),
                "apps": items(ref("App"), "The apps in the caller's scope."),
                "limits": items(_LIMIT, "The limits that hold for the caller."),
                "faults": items(text(), "Of the endpoint's settings; only for a key without a scope."),
            },
        ),
        "App": _APP,
        "Health": record("", {"status": constant("ok")}),
        **of_model(TokenRequest, "TokenRequest", "What a token is for.", _TOKEN_MEMBERS),
        "Token": record(
            "A token, good for one app and one user.",
            {
                "token": text("Sent as `Authorization: Bearer`."),
                "token_type": constant("Bearer"),
                "app": text("The app's alias."),
                "user": text(),
                "expires_in": whole("Seconds."),
                "expires_at": whole("Unix seconds."),
            },
        ),
    }


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    described = Media(mapping("OpenAPI 3.1."))
    return {
        ("GET", "/"): Operation(
            "getAbout",
            "What this is; with a key, its apps. A page for browsers.",
            TAG,
            {
                200: Reply(
                    "What this is.", {"application/json": Media(ref("About"), about()), "text/html": Media(text())}
                )
            },
            failures=PROBLEM,
            statuses=(*ADMITTING, *CHOOSING),
            security=("", *KEYS),
        ),
        ("GET", "/healthz"): _public(
            "getHealth", "Whether Duck runs; asks nothing of Dify.", Media(ref("Health"), {"status": "ok"})
        ),
        ("GET", "/openapi.json"): Operation(
            "getOpenApi",
            "This description.",
            TAG,
            {
                200: Reply("The description.", {"application/json": described}, ("ETag",)),
                304: Reply("It is still as `If-None-Match` says.", {}, ("ETag",)),
            },
            parameters=(Parameter("If-None-Match", "The `ETag` of an earlier reply.", text(), "header"),),
            security=(),
        ),
        ("POST", "/tokens"): Operation(
            "createToken",
            "A short-lived token for one app and one user, for browsers.",
            TAG,
            {200: Reply("The token.", {"application/json": Media(ref("Token"), _TOKEN)})},
            body={"application/json": Media(ref("TokenRequest"), {"app": "app", "user": "ann", "expires_in": 600})},
            failures=PROBLEM,
            statuses=(*READING, *ADMITTING, *CHOOSING),
        ),
    }


def _public(id_: str, summary: str, media: Media) -> Operation:
    return Operation(id_, summary, TAG, {200: Reply(summary, {"application/json": media})}, security=())

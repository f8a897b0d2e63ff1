"""Signed webhooks."""

from typing import Final

from gateway.openapi import sample
from gateway.openapi.native import PROBLEM
from gateway.openapi.operation import CHOOSING, READING, RUNNING, Media, Operation, Reply
from gateway.openapi.schema import Schema, any_of, anything, constant, record, ref, text, word
from gateway.openapi.security import signatures
from gateway.protocols.native import reply
from gateway.protocols.native.reply import Form

TAG: Final = "Webhooks"

_ABOUT: Final = (
    "The sender signs the raw body with the secret that the endpoint's operator has set for the app. A delivery that "
    "has succeeded is not run again. The operator may have a part of the app's result answered, or other statuses of "
    "2xx, 4xx and 5xx."
)


def schemas() -> dict[str, Schema]:
    return {
        "Delivery": record(
            "What has become of a delivery that came again.", {"status": word("", "duplicate", "running")}
        ),
        "Challenge": record("The answer to Slack's question for the address.", {"challenge": text()}),
    }


def operations() -> dict[tuple[str, str], Operation]:
    """By method and path of the route table."""
    result = sample.body(lambda answer: reply.whole(Form.JSON, answer, sample.VIEW))
    answered = any_of("", ref("RunResult"), ref("Delivery"), ref("Challenge"), anything("One output of the app."))
    running = record("", {"status": constant("running")})
    return {
        ("POST", "/hooks/<app_id>"): Operation(
            "deliverWebhook",
            "Runs an app for a signed webhook; its result is the response.",
            TAG,
            {
                200: Reply(
                    "The app's result; or that the delivery was here before.",
                    {"application/json": Media(answered, result), Form.TEXT.value: Media(text())},
                    ("X-Conversation-Id",),
                ),
                202: Reply("The delivery is being run.", {"application/json": Media(running)}),
                204: Reply("The run has ended, and the operator has nothing said of it."),
            },
            _ABOUT,
            body={
                "application/json": Media(anything("Whatever the sender sends."), {"action": "opened"}),
                "application/x-www-form-urlencoded": Media(anything()),
                "multipart/form-data": Media(anything("With one file at most.")),
                "text/plain": Media(text()),
                "application/xml": Media(text()),
            },
            failures=PROBLEM,
            statuses=(*READING, 401, *CHOOSING, 429, 500, *RUNNING),
            security=tuple(signatures()),
        ),
    }

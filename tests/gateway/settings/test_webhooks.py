from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hooks.schemes import GITHUB, SLACK, STANDARD, STRIPE, Secret
from gateway.settings import Fault, Settings, Webhooks, parse
from gateway.settings.webhooks import MOST_SECRETS

ID: Final = "11111111-1111-4111-8111-111111111111"
OTHER_ID: Final = "22222222-2222-4222-8222-222222222222"
TEXT: Final = "a-long-enough-secret"
WHSEC: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY: Final = bytes.fromhex("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0")
APPS: Final = {"apps": f"a={ID}, b={OTHER_ID}"}


def read(text: str, **more: Any) -> Settings:
    return parse({**APPS, "webhook_secrets": text, **more})


@pytest.mark.parametrize("empty", [{}, {"webhook_secrets": ""}, {"webhook_secrets": " , "}])
def test_without_secrets_there_are_no_webhooks(empty: dict[str, Any]) -> None:
    assert parse({**APPS, **empty}).webhooks == Webhooks()


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (f"a=github:{TEXT}", [Secret("a", GITHUB, TEXT.encode())]),
        (f"a=stripe:{WHSEC}", [Secret("a", STRIPE, WHSEC.encode())]),
        (f"{OTHER_ID}=slack:{TEXT}", [Secret("b", SLACK, TEXT.encode())]),
        (f"a=standard:{WHSEC}", [Secret("a", STANDARD, KEY)]),
        (f"a=svix:{WHSEC[6:]}", [Secret("a", STANDARD, KEY)]),
        (f"a=github:{TEXT}==", [Secret("a", GITHUB, f"{TEXT}==".encode())]),
        (f"a=github:x:{TEXT}", [Secret("a", GITHUB, f"x:{TEXT}".encode())]),
        (
            f"a=github:{TEXT}1, a=github:{TEXT}2\tb=slack:{TEXT}3",
            [
                Secret("a", GITHUB, f"{TEXT}1".encode()),
                Secret("a", GITHUB, f"{TEXT}2".encode()),
                Secret("b", SLACK, f"{TEXT}3".encode()),
            ],
        ),
    ],
    ids=["text", "whsec_ as it is", "an id", "base64", "base64 alone", "signs of equality", "colons", "several"],
)
def test_secrets_are(text: str, secrets: list[Secret]) -> None:
    settings = read(text)
    assert (settings.webhooks, settings.faults) == (Webhooks(is_on=True, secrets=tuple(secrets)), ())


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("ab****yz", "Dify's mask was edited; enter the whole value again"),
        (f"a=github:ab****{TEXT}", "Dify's mask was edited; enter the whole value again"),
        (TEXT, "expected alias=scheme:secret, an app's alias, how its sender signs, and the secret"),
        (f"a={TEXT}", "expected alias=scheme:secret, an app's alias, how its sender signs, and the secret"),
        (f"nobody=github:{TEXT}", "names an app that is not listed"),
        ("a=github:", "a secret under 16 characters"),
        ("a=github:short", "a secret under 16 characters"),
        ("a=standard:whsec_==========", "a secret under 16 characters"),
        ("a=svix:whsec_AAAAAAAAAAAA", "a secret under 16 characters"),
        ("a=stripe:whsec_0123456789", "a secret under 16 characters"),
        (f"a=gitlab:{TEXT}", "the scheme must be one of standard, svix, github, stripe, slack, generic"),
        (f"a=generic:{TEXT}", "generic needs hook.signature in the app's entry of apps"),
        ("a=standard:whsec_no-base64-at-all", "a secret of this scheme is base64, with or without whsec_ before it"),
    ],
)
def test_a_faulty_entry_is_a_secret_less_and_nothing_of_it_is_told(entry: str, problem: str) -> None:
    settings = read(f"b=slack:{TEXT}, {entry}")
    assert settings.webhooks == Webhooks(is_on=True, secrets=(Secret("b", SLACK, TEXT.encode()),))
    assert (settings.faults, settings.fatal) == ((Fault("webhook_secrets", 2, problem),), ())
    assert all(app.fault is None for app in settings.apps)


def test_with_nothing_but_faults_webhooks_are_on_and_open_to_nobody() -> None:
    assert read("x").webhooks == Webhooks(is_on=True)


def test_no_more_are_read_than_can_be_tried() -> None:
    settings = read(", ".join(f"a=github:{TEXT}-{number}" for number in range(MOST_SECRETS + 1)))
    assert len(settings.webhooks.secrets) == MOST_SECRETS
    assert [str(fault) for fault in settings.faults] == ["webhook_secrets, entry 33: is one too many, for 32 are read"]


@given(st.text(max_size=60))
def test_any_text_is_read_without_raising(text: str) -> None:
    webhooks = read(f"a={text}").webhooks
    assert all(secret.alias == "a" for secret in webhooks.secrets)

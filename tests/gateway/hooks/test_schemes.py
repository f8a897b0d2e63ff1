import hmac
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier
from werkzeug.datastructures import Headers

from gateway.hooks.schemes import GITHUB, STANDARD, TOLERANCE, Refusal, Secret, Signed, check, check_all, key_of
from gateway.settings import parse
from gateway.settings.hook_entry import read_hook
from tests.gateway.hooks.senders import GENERIC_ENTRY, SENDERS, Sender

NOW: Final = 1_790_000_000
BODY: Final = '{"id": "evt_1", "text": "Grüße"}'
ID: Final = "11111111-1111-4111-8111-111111111111"
ALIASES: Final = {name: f"{number:08}-1111-4111-8111-111111111111" for number, name in enumerate((*SENDERS, "other"))}

type Given = dict[str, str]


def secrets_of(**webhook_secrets: str) -> tuple[Secret, ...]:
    """The secrets of `alias=…`, each of a listed app; `generic` is described."""
    listed = {alias: {"app_id": app_id} for alias, app_id in ALIASES.items()}
    apps = ", ".join(
        f"{alias}: {{app_id: {entry['app_id']}, hook: {{signature: {GENERIC_ENTRY}}}}}"
        for alias, entry in listed.items()
    )
    text = ", ".join(f"{alias}={secret}" for alias, secret in webhook_secrets.items())
    settings = parse({"apps": f"{{{apps}}}", "webhook_secrets": text})
    assert settings.faults == ()
    return settings.webhooks.secrets


ALL: Final = secrets_of(**{name: sender.setting for name, sender in SENDERS.items()})


def checked(alias: str, headers: Given, body: bytes = BODY.encode(), now: float = NOW) -> Signed | Refusal:
    return check_all(ALL, alias, Headers(headers), body, now)


each_sender = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)
senders = st.sampled_from([*SENDERS.items()])


# -- Who is let in -------------------------------------------------------------------------------------------------


@each_sender
@pytest.mark.parametrize("off", [0, TOLERANCE, -TOLERANCE])
def test_what_the_vendors_library_signs_is_let_in(sender: Sender, off: int) -> None:
    [secret] = [secret for secret in ALL if secret.alias == sender.scheme]
    result = checked(sender.scheme, sender.headers(BODY, NOW + off))
    assert isinstance(result, Signed)
    assert (result.scheme, result.id) == (secret.scheme, "msg_1" if sender.signs_id else "")


def test_githubs_published_vector_is_let_in() -> None:
    """GitHub docs, "Testing the webhook payload validation"."""
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = Secret("a", GITHUB, key_of(GITHUB, "It's a Secret to Everybody"))
    headers = Headers({"X-Hub-Signature-256": f"sha256={digest}"})
    assert check(secret, headers, b"Hello, World!", NOW) == Signed(GITHUB, "", digest)


def test_standard_webhooks_published_vector_is_let_in() -> None:
    """Standard Webhooks 1.0, the specification's own example."""
    secret = Secret("a", STANDARD, key_of(STANDARD, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"))
    given = {
        "webhook-id": "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "webhook-timestamp": "1649367553",
        "webhook-signature": "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    }
    body = b'{"email":"test@example.com","username":"test_user"}'
    assert isinstance(check(secret, Headers(given), body, 1649367553), Signed)


def test_slacks_published_vector_is_let_in() -> None:
    """Slack docs, "Verifying requests from Slack"."""
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert SignatureVerifier(SENDERS["slack"].secret).generate_signature(timestamp="1531420618", body=body) == signature
    headers = {"X-Slack-Signature": signature, "X-Slack-Request-Timestamp": "1531420618"}
    assert isinstance(checked("slack", headers, body.encode(), 1531420618), Signed)


@pytest.mark.parametrize(
    ("name", "header", "more"),
    [
        ("standard", "webhook-signature", "v1,bm9uZQ== v1a,x {} v2,y"),
        ("svix", "svix-signature", "v1,bm9uZQ=={}"),
        ("stripe", "Stripe-Signature", "v0=beef,v1=beef,{},v9=x"),
    ],
)
def test_one_good_signature_among_several_is_enough(name: str, header: str, more: str) -> None:
    headers = SENDERS[name].headers(BODY, NOW)
    separator = " " if name == "svix" else ""
    headers[header] = more.replace("{}", separator + headers[header])
    assert isinstance(checked(name, headers), Signed)


def test_svix_senders_may_use_either_family_of_headers() -> None:
    given = SENDERS["svix"].headers(BODY, NOW)
    renamed = {name.replace("svix-", "webhook-"): value for name, value in given.items()}
    assert isinstance(checked("svix", renamed), Signed)


@each_sender
def test_header_names_are_compared_as_http_does(sender: Sender) -> None:
    given = {name.upper(): value for name, value in sender.headers(BODY, NOW).items()}
    assert isinstance(checked(sender.scheme, given), Signed)


@each_sender
def test_while_a_secret_is_replaced_both_are_good_and_then_the_old_one_is_not(sender: Sender) -> None:
    both = f"{sender.setting}, {sender.scheme}={sender.scheme}:{sender.other_secret}"
    old, new = sender.headers(BODY, NOW), sender.headers(BODY, NOW, secret=sender.other_secret)
    for headers, secrets, expected in (
        (old, both, Signed),
        (new, both, Signed),
        (old, f"{sender.scheme}:{sender.other_secret}", Refusal),
        (new, f"{sender.scheme}:{sender.other_secret}", Signed),
    ):
        result = check_all(secrets_of(**{sender.scheme: secrets}), sender.scheme, Headers(headers), BODY.encode(), NOW)
        assert isinstance(result, expected)


@each_sender
def test_a_body_of_any_bytes_is_signed_as_it_is(sender: Sender) -> None:
    assert isinstance(checked(sender.scheme, sender.headers("", NOW), b""), Signed)
    assert checked(sender.scheme, sender.headers("", NOW), b"\xff\x00") is Refusal.WRONG


# -- Who is not ----------------------------------------------------------------------------------------------------


@given(senders, st.data())
def test_one_bit_changed_anywhere_in_what_is_signed_is_refused(named: tuple[str, Sender], data: st.DataObject) -> None:
    name, sender = named
    headers = {
        key: value for key, value in sender.headers(BODY, NOW).items() if not key.startswith("X-GitHub")
    }  # GitHub's own two are not signed
    place = data.draw(st.sampled_from([*headers, ""]))
    text = headers[place].encode() if place else BODY.encode()
    at, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    changed = text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :]
    body = BODY.encode() if place else changed
    if place:
        headers[place] = changed.decode()
    if headers.get(place, "").strip() == text.decode():
        return  # HTTP takes no white space around a value for a part of it
    try:
        given_headers = Headers(headers)
    except ValueError:
        return  # a line break never arrives in a header
    assert isinstance(checked(name, given_headers, body), Refusal)  # type: ignore[arg-type]


@given(senders, st.integers(TOLERANCE + 1, 2**40), st.booleans())
def test_a_time_that_is_too_far_off_is_refused(named: tuple[str, Sender], off: int, is_early: bool) -> None:
    name, sender = named
    now = NOW - off if is_early else NOW + off
    result = checked(name, sender.headers(BODY, NOW), now=now)
    assert result is Refusal.STALE if sender.signs_time else isinstance(result, Signed)


def test_a_zero_of_the_body_can_not_become_one_of_the_time() -> None:
    """Where a time touches the body, `amount=100` and 17… would else sign the same as `amount=10` and 017…."""
    hook = read_hook({"signature": {"header": "X-Sig", "signed": "{body}{timestamp}", "timestamp": "X-Time"}})
    assert hook.signature
    secret = Secret("a", hook.signature, b"0123456789abcdef")
    signature = hmac.digest(secret.key, b"amount=100%d" % NOW, "sha256").hex()

    def sent(body: bytes, at: str) -> Signed | Refusal:
        return check(secret, Headers({"X-Sig": signature, "X-Time": at}), body, NOW)

    assert isinstance(sent(b"amount=100", f"{NOW}"), Signed)
    assert isinstance(sent(b"amount=10", f"0{NOW}"), Refusal)
    assert isinstance(sent(b"amount=1", f"00{NOW}"), Refusal)


@given(senders, senders)
def test_another_apps_secret_is_refused(own: tuple[str, Sender], other: tuple[str, Sender]) -> None:
    headers = own[1].headers(BODY, NOW)
    result = checked(other[0], headers)
    is_refused = isinstance(result, Refusal)
    assert is_refused is (own[0] != other[0])


@each_sender
def test_a_secret_that_nobody_has_set_is_refused(sender: Sender) -> None:
    assert checked(sender.scheme, sender.headers(BODY, NOW, secret=sender.other_secret)) is Refusal.WRONG


@pytest.mark.parametrize(
    ("alias", "headers", "reason"),
    [
        pytest.param("", SENDERS["github"].headers(BODY, NOW), Refusal.UNKNOWN_APP, id="no such app"),
        pytest.param("other", SENDERS["github"].headers(BODY, NOW), Refusal.NO_SECRET, id="an app without a secret"),
        pytest.param("github", {}, Refusal.UNSIGNED, id="unsigned"),
        pytest.param("github", {"X-Hub-Signature-256": ""}, Refusal.UNSIGNED, id="an empty signature"),
        pytest.param("github", {"X-Hub-Signature": "sha1=00"}, Refusal.UNSIGNED, id="the old header"),
        pytest.param("github", SENDERS["github"].headers("x", NOW), Refusal.WRONG, id="another body's signature"),
        pytest.param("stripe", {"Stripe-Signature": "t=1,v0=00"}, Refusal.UNSIGNED, id="no v1"),
        pytest.param("stripe", {"Stripe-Signature": "v1=00"}, Refusal.UNSIGNED, id="no time"),
        pytest.param("stripe", {"Stripe-Signature": "t=1,t=2,v1=00"}, Refusal.UNSIGNED, id="two times"),
        pytest.param("stripe", {"Stripe-Signature": "t=x,v1=00"}, Refusal.UNSIGNED, id="no number for a time"),
        pytest.param("stripe", {"Stripe-Signature": f"t={'9' * 13},v1=00"}, Refusal.UNSIGNED, id="a time too long"),
        pytest.param("slack", {"X-Slack-Signature": "v0=00"}, Refusal.UNSIGNED, id="no time beside it"),
        pytest.param(
            "standard",
            {"webhook-id": "a.b", "webhook-timestamp": str(NOW), "webhook-signature": "v1,AA=="},
            Refusal.UNSIGNED,
            id="an id that may hide a time",
        ),
        pytest.param(
            "standard",
            {"webhook-timestamp": str(NOW), "webhook-signature": "v1,AA=="},
            Refusal.UNSIGNED,
            id="no id",
        ),
        pytest.param("github", {"X-Hub-Signature-256": "sha256=é"}, Refusal.WRONG, id="a signature that is not ASCII"),
    ],
)
def test_the_log_is_told_why_a_request_is_refused(alias: str, headers: Given, reason: Refusal) -> None:
    assert checked(alias, headers) is reason


def test_the_reason_that_tells_most_is_told() -> None:
    several = f"{SENDERS['github'].setting}, stripe={SENDERS['stripe'].setting}"
    secrets = secrets_of(stripe=several)
    old = Headers(SENDERS["stripe"].headers(BODY, NOW - TOLERANCE - 1))
    assert check_all(secrets, "stripe", old, BODY.encode(), NOW) is Refusal.STALE


def test_every_secret_is_tried_whatever_the_app_so_that_time_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def counted(secret: Secret, *rest: Any) -> Signed | Refusal:
        tried.append(secret.alias)
        return check(secret, *rest)

    monkeypatch.setattr("gateway.hooks.schemes.check", counted)
    for alias in ("", "other", "github", "stripe"):
        tried.clear()
        checked(alias, SENDERS["github"].headers(BODY, NOW))
        assert tried == [*SENDERS]


def test_a_secret_is_in_no_representation() -> None:
    assert not any(repr(secret.key)[2:-1] in repr(secret) for secret in ALL)


@pytest.mark.parametrize(("text", "key"), [("whsec_Zg", b"f"), ("whsec_Zm9v", b"foo"), ("Zm8=", b"fo"), ("Zg==", b"f")])
def test_a_key_in_base64_is_read_with_and_without_its_padding(text: str, key: bytes) -> None:
    assert key_of(STANDARD, text) == key


@pytest.mark.parametrize("text", ["whsec_!", "whsec_a", "not base64", "whsk_Zm9v"])
def test_what_is_no_base64_is_no_such_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)base64|padding"):
        key_of(STANDARD, text)

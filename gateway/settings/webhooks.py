"""The secrets that senders of webhooks sign with: `alias=scheme:secret`, several of one app while one is replaced.

A faulty entry is a secret less; nothing else is opened or closed by it.
"""

from collections.abc import Iterable
from typing import Final

from gateway.hooks.schemes import GENERIC, SCHEMES, Scheme, Secret, key_of, strength_of
from gateway.settings.callers import MIN_KEY_LENGTH
from gateway.settings.form import MASK, MASK_PROBLEM, Form
from gateway.settings.values import App, Webhooks, app_named

MOST_SECRETS: Final = 32
"""Each request is tried with all of them, a stranger's too (own choice: 6 ms for each of the largest bodies)."""


class _Problem(Exception):
    """Why an entry can't be read."""


def read_webhooks(form: Form, apps: tuple[App, ...]) -> Webhooks:
    items = form.items("webhook_secrets")
    secrets: list[Secret] = []
    for place, item in items:
        try:
            secrets.append(_secret(item, apps, place))
        except _Problem as problem:
            form.fault("webhook_secrets", str(problem), place)
    return Webhooks(bool(items), tuple(secrets))


def _secret(item: str, apps: Iterable[App], place: int) -> Secret:
    alias, _, rest = item.partition("=")
    name, separator, text = rest.partition(":")
    if MASK in item:
        raise _Problem(MASK_PROBLEM)
    if not separator:
        raise _Problem("expected alias=scheme:secret, an app's alias, how its sender signs, and the secret")
    if place > MOST_SECRETS:
        raise _Problem(f"is one too many, for {MOST_SECRETS} are read")
    app = app_named(apps, alias)
    if app is None:
        raise _Problem("names an app that is not listed")
    scheme = _scheme(name, app)
    try:
        secret = Secret(app.alias, scheme, key_of(scheme, text))
    except ValueError as error:
        raise _Problem("a secret of this scheme is base64, with or without whsec_ before it") from error
    if strength_of(secret) < MIN_KEY_LENGTH:
        raise _Problem(f"a secret under {MIN_KEY_LENGTH} characters")
    return secret


def _scheme(name: str, app: App) -> Scheme:
    if name in SCHEMES:
        return SCHEMES[name]
    if name != GENERIC:
        raise _Problem(f"the scheme must be one of {', '.join((*SCHEMES, GENERIC))}")
    if app.hook.signature is None:
        raise _Problem("generic needs hook.signature in the app's entry of apps")
    return app.hook.signature

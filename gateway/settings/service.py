"""Dify's Service API: where it is, and the keys of apps, which stand in no other setting.

A fault of an app's key, or of the address that it needs, is the app's: to take the other way to Dify instead would run
it as another user, and begin its conversations anew. Where an entry does not tell whose key it was, it may be that of
any app without one. The key of an app that is not listed governs nothing, and is noted only.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import httpx

from gateway.settings.form import MASK, MASK_PROBLEM, Form, split
from gateway.settings.values import App, Fault, Service, app_named

_URL: Final = re.compile(
    r"(https?://(?:[A-Z0-9_-]{1,63}(?:\.[A-Z0-9_-]{1,63})*\.?|\[[0-9A-F:.]+\])(?::\d+)?(?:/[A-Z0-9._~-]+)*?)(?:/v1)?/*",
    re.ASCII | re.IGNORECASE,
)
"""An address without a user, a query and a fragment; what stands before `/v1`."""

_KEY: Final = re.compile(r"app-[A-Za-z0-9_-]{1,250}")
"""As Dify makes an app's key; one of a knowledge base begins with `dataset-`."""


def read_service(form: Form, apps: tuple[App, ...]) -> tuple[Service, Mapping[str, Fault]]:
    """The address and the keys, and the faults of apps, by app id."""
    keys, faults = _keys(form, apps)
    given = form.text("dify_api_url")
    url = _url(given)
    if url:
        return Service(url, MappingProxyType(keys)), faults
    if given:
        fault = form.fault("dify_api_url", "must be an address such as https://dify.example.com/v1")
    elif keys:
        fault = form.fault("dify_api_url", "is missing, and the keys of dify_api_keys need it")
    else:
        return Service(), faults
    return Service(), {**dict.fromkeys(keys, fault), **faults}


def _url(text: str) -> str:
    """The address up to and with `/v1`; `""` for what is none."""
    found = _URL.fullmatch(text)
    try:
        is_address = found and urlsplit(text).port != 0 and httpx.URL(text).host
    except (ValueError, httpx.InvalidURL):  # a port above 65535, brackets around what is no address, a bad `xn--` label
        return ""
    return f"{found[1]}/v1" if found and is_address else ""


def _keys(form: Form, apps: tuple[App, ...]) -> tuple[dict[str, str], dict[str, Fault]]:
    """The keys and their faults, by app id; an app with two keys has none, for it can't be told which is meant."""
    keys: dict[str, str] = {}
    faults: dict[str, Fault] = {}
    anyones: list[Fault] = []
    text = re.sub(r"\s*=\s*", "=", form.text("dify_api_keys"))
    for place, item in enumerate(split(text), 1):
        alias, _, key = item.partition("=")
        app = app_named(apps, alias)
        app_id = app.app_id if app else ""
        problem = _problem(item, key, app_id) or _conflict(key, app_id, keys, faults)
        if problem:
            fault = form.fault("dify_api_keys", problem, place)
            keys.pop(app_id, None)
            if app_id:
                faults.setdefault(app_id, fault)
            elif not key or MASK in alias:
                anyones.append(fault)
        else:
            keys[app_id] = key
    if anyones:
        faults = {**{app.app_id: anyones[0] for app in apps if app.app_id not in keys}, **faults}
    return keys, faults


def _problem(item: str, key: str, app_id: str) -> str:
    if MASK in item:
        return MASK_PROBLEM
    if not key:
        return "expected alias=app-…, an app's alias and its key"
    if not app_id:
        return "names an app that is not listed"
    return "" if _KEY.fullmatch(key) else "an app's key begins with app-, as Dify shows it under API Access"


def _conflict(key: str, app_id: str, keys: Mapping[str, str], faults: Mapping[str, Fault]) -> str:
    if app_id in keys or app_id in faults:
        return "is a second key of the same app"
    return "is the key of another app too, and each app has its own" if key in keys.values() else ""

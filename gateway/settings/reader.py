"""The settings form, read into one frozen value; the only reader of raw settings.

Policy (DESIGN section 4): the daemon never fills defaults and a cleared field arrives as `""`, so both mean the
default. A fault disables only what its entry governs: a bad `access_keys` entry is a key less, a bad `apps` entry is
an app that answers 500. Faults name the setting and the entry, never its content.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import pydantic_core

from gateway.detail import Detail
from gateway.log import logger
from gateway.origins import Origins, origin_problem
from gateway.settings.apps import read_apps
from gateway.settings.callers import CallersReader
from gateway.settings.form import Form, split
from gateway.settings.service import read_service
from gateway.settings.values import (
    DEFAULT_MAX_STREAMS,
    Access,
    App,
    ConversationIds,
    Exposure,
    Fault,
    MemoryMode,
    Rate,
    Settings,
    ThinkTags,
)
from gateway.settings.webhooks import read_webhooks
from gateway.wire import json_bytes

OPEN_RATE: Final = Rate(60, 60)
"""What `access: open` implies where no `rate_limit` is set (DESIGN section 4)."""

_RATE: Final = re.compile(r"([1-9]\d{0,4})/([a-z]+)")
_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **dict.fromkeys(("s", "sec", "second"), 1),
        **dict.fromkeys(("m", "min", "minute"), 60),
        **dict.fromkeys(("h", "hour"), 3600),
        **dict.fromkeys(("d", "day"), 86400),
    }
)
"""Seconds by the names that people write."""


def parse(raw: Mapping[str, Any]) -> Settings:
    """The settings in what Dify sent; never raises, whatever that is. Parsed once per distinct content."""
    try:
        return _parse(json_bytes(dict(raw)))
    except ValueError:  # nested deeper than any form makes it
        fault = Fault("settings", 0, "can't be read")
        return Settings(faults=(fault,), fatal=(fault,))


@lru_cache(maxsize=256)
def _parse(content: bytes) -> Settings:
    settings = _read(Form(pydantic_core.from_json(content)))
    for fault in settings.faults:
        if fault not in _logged:
            _logged.add(fault)
            logger.warning("misconfigured: %s", fault)
    return settings


_logged: Final[set[Fault]] = set()
"""Faults that the log has had already, whichever form they stood in."""


class _DetailName(StrEnum):
    ANSWER = "answer"
    PROGRESS = "progress"
    FULL = "full"


class _Switch(StrEnum):
    OFF = "off"
    ON = "on"


def _read(form: Form) -> Settings:
    apps, default_app = read_apps(form)
    service, service_faults = read_service(form, apps)
    exposure = form.choice("exposure", Exposure, Exposure.LISTED)
    access = form.choice("access", Access, Access.KEY)
    if access is Access.OPEN and exposure is Exposure.WORKSPACE:
        form.fail("access", "open can't be combined with exposure: workspace")
    access_keys, scopes = CallersReader(form, apps, exposure).read()
    return Settings(
        apps=tuple(_with_fault(app, service_faults) for app in apps),
        default_app=_with_fault(default_app, service_faults) if default_app else None,
        exposure=exposure,
        access=access,
        access_keys=access_keys,
        scopes=scopes,
        origins=_origins(form),
        rates=_rates(form, access),
        conversation_ids=form.choice("conversation_ids", ConversationIds, ConversationIds.SEALED),
        conversation_header=_header_name(form),
        memory_mode=form.choice("memory_mode", MemoryMode, MemoryMode.ALL_MESSAGES),
        think_tags=form.choice("think_tags", ThinkTags, ThinkTags.SPLIT),
        detail=Detail[form.choice("detail", _DetailName, _DetailName.ANSWER).value.upper()],
        run_timeout=_run_timeout(form),
        keep_alive=form.choice("keep_alive", _Switch, _Switch.OFF) is _Switch.ON,
        has_page=form.choice("page", _Switch, _Switch.ON) is _Switch.ON,
        files_url=_files_url(form),
        max_streams=_max_streams(form),
        service=service,
        webhooks=read_webhooks(form, apps),
        faults=tuple(form.faults),
        fatal=tuple(form.fatal),
    )


def _with_fault(app: App, faults: Mapping[str, Fault]) -> App:
    """The app with the fault of its key, where it has none of its own. faults: by app id."""
    fault = app.fault or faults.get(app.app_id)
    return replace(app, fault=fault) if fault else app


def _origins(form: Form) -> Origins:
    sound: list[str] = []
    for place, item in form.items("cors_origins"):
        problem = origin_problem(item)
        if problem:
            form.fault("cors_origins", problem, place)
        else:
            sound.append(item)
    return Origins.of(sound)


def _rates(form: Form, access: Access) -> tuple[Rate, ...]:
    rates: list[Rate] = []
    for place, item in enumerate(split(re.sub(r"\s*/\s*", "/", form.text("rate_limit").lower())), 1):
        found = _RATE.fullmatch(item)
        if found and found[2] in _UNITS:
            rates.append(Rate(int(found[1]), _UNITS[found[2]]))
        else:
            form.fail("rate_limit", "must be a number of calls per s, min, hour or day, such as 60/min", place)
    return tuple(rates) or ((OPEN_RATE,) if access is Access.OPEN else ())


def _header_name(form: Form) -> str:
    text = form.text("conversation_header")
    if text and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", text):  # a name with _ never arrives (law 11)
        form.fault("conversation_header", "must be the name of a header, of letters, digits and -")
        return ""
    return text


def _run_timeout(form: Form) -> float | None:
    text = form.text("run_timeout")
    found = re.fullmatch(r"([1-9]\d{0,5}) ?(s|m|h)?", text)
    if found:
        return float(int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"])
    if text:
        form.fail("run_timeout", "must be a time such as 300, 300s or 5m")
    return None


def _max_streams(form: Form) -> int:
    text = form.text("max_streams")
    if not text:
        return DEFAULT_MAX_STREAMS
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        form.fail("max_streams", "must be a whole number from 1 on")
        return DEFAULT_MAX_STREAMS
    return int(text)


def _files_url(form: Form) -> str:
    text = form.text("files_url").rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#\"'<>]+(/[^\s?#\"'<>]*)?", text):
        form.fault("files_url", "must be an address such as https://dify.example.com")
        return ""
    return text

"""Apps under the names that their authors gave them in Dify, where an app has a key of its own; for those who choose.

What the settings say comes first. An app that does not tell in time is left as it is: a list must not wait for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import gevent
from gevent.lock import BoundedSemaphore

from gateway.access import Caller
from gateway.errors import DuckError
from gateway.exchange import Exchange
from gateway.settings import App
from gateway.transports.choice import service_transport

TITLE_WAIT: Final = 3.0
"""Seconds for all that is asked of Dify (own choice: clients ask for the list while a person waits)."""

MOST_LOOK_UPS: Final = 4
"""At once (own choice: the default Dify API serves 10 connections)."""


def of_each[V](apps: Iterable[App], look_up: Callable[[App], V], max_wait: float) -> dict[str, V]:
    """What was found out in time, by alias, so that no app makes the others wait."""
    found: dict[str, V] = {}
    at_once = BoundedSemaphore(MOST_LOOK_UPS)

    def find(app: App) -> None:
        with at_once:
            found[app.alias] = look_up(app)

    jobs = [gevent.spawn(find, app) for app in apps]
    gevent.joinall(jobs, timeout=max_wait)
    gevent.killall(jobs, block=False)
    return found


def titled(exchange: Exchange, caller: Caller, apps: Iterable[App]) -> list[App]:
    """The apps, in their order, with title, about and kind as far as the settings or Dify tell them."""
    listed = list(apps)
    found = of_each(listed, lambda app: _titled(exchange, caller, app), TITLE_WAIT)
    return [found.get(app.alias, app) for app in listed]


def _titled(exchange: Exchange, caller: Caller, app: App) -> App:
    transport = service_transport(exchange.session, exchange.chosen, app, f"{caller.name}:{caller.user}")
    if transport is None:
        return app
    try:
        info = transport.info()
    except DuckError:
        return app
    return replace(app, title=app.title or info.name, about=app.about or info.description, kind=app.kind or info.kind)

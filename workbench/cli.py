"""The command line: arguments in, a running host out.

Owns the flags and their faults; nothing else of the workbench reads the command line or the environment.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.app import App
from workbench.apps import DEMO_APPS, TEST_APPS, ServiceError, demo_apps, recorded_apps, service_apps
from workbench.banner import banner
from workbench.hooks import BadHooks, Hook, read_hooks, stable_id, with_apps
from workbench.host import Host, Options
from workbench.service_api import Entry, entries, recorded_services
from workbench.terminal import Terminal

HERE: Final = Path(__file__).resolve().parent
DEFAULT_HOOK: Final = "duck"
"""The hook whose `apps` setting gets the recorded and the real apps; without it, the file's first."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The apps behind the hooks: by id, their ids by alias, and the part of those that no hook lists yet.

    `entries` are those of the Service API.
    """

    apps: Mapping[str, App]
    aliases: Mapping[str, str]
    added: Mapping[str, str]
    entries: tuple[Entry, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    _check(parser, given)
    os.environ.update(_pairs(given.env))
    terminal = Terminal()
    try:
        cast = _cast(given)
        hooks = _hooks(given.hooks, cast.added)
        options = _options(given)
        return asyncio.run(_run(options, hooks, cast, terminal, quiet=given.quiet))
    except (BadHooks, ServiceError, ValueError, OSError) as error:
        terminal.say(str(error))
        return 1


async def _run(options: Options, hooks: Mapping[str, Hook], cast: Cast, terminal: Terminal, *, quiet: bool) -> int:
    """Until Ctrl-C, SIGTERM or the end of the terminal, each of which ends the plugin too."""

    def greet(url: str) -> None:
        if not quiet:
            terminal.show(banner(url, next(iter(hooks.values())), cast.aliases.keys(), host.service_api.url))

    host = Host(options, hooks, cast.apps, terminal, greet, cast.entries)
    running = asyncio.create_task(host.run())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workbench",
        description="Runs the plugin as Dify's daemon does, with demo apps, recordings or real Dify apps behind it.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at (%(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="port to serve at, 0 for any free one (%(default)s)")
    parser.add_argument(
        "--service-port", type=int, default=0, metavar="N", help="port of the Service API, 0 for any free one (0)"
    )
    parser.add_argument("--hooks", type=Path, default=HERE / "demo.yaml", metavar="FILE", help="the endpoints to serve")
    parser.add_argument("--quiet", action="store_true", help="print no key and no examples")
    parser.add_argument("--control", action="store_true", help="let tests see and disturb it (/workbench/…)")
    plugin = parser.add_argument_group("the plugin")
    plugin.add_argument(
        "--plugin", type=Path, metavar="DIR", help="its directory (this one, or the workbench's parent)"
    )
    plugin.add_argument("--python", default=sys.executable, metavar="PATH", help="the interpreter that runs it")
    plugin.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for its environment, and ours"
    )
    plugin.add_argument("--reload", action="store_true", help="start it again when one of its files changes")
    plugin.add_argument("--replicas", type=int, default=1, metavar="N", help="how many processes of it (%(default)s)")
    plugin.add_argument("--remote", action="store_true", help="let it connect over TCP, as for remote debugging")
    plugin.add_argument("--remote-port", type=int, default=0, metavar="N", help="the port that it connects to")
    plugin.add_argument("--serverless", action="store_true", help="let it serve HTTP, as on a serverless runtime")
    plugin.add_argument("--no-start", dest="start", action="store_false", help="with --remote: you start it yourself")
    apps = parser.add_argument_group("apps besides the demo apps")
    apps.add_argument("--recordings", type=Path, metavar="DIR", help="replay the recordings in this directory")
    apps.add_argument("--speed", type=float, default=1.0, metavar="X", help="replay X times as fast (%(default)s)")
    apps.add_argument("--dify", metavar="URL", help="base URL of a real Dify's Service API")
    apps.add_argument("--app", action="append", default=[], metavar="ALIAS=KEY", help="an app of it and the app's key")
    return parser


def _check(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Ends with the parser's error for flags that do not go together."""
    for flag, pairs in (("--env", given.env), ("--app", given.app)):
        for pair in pairs:
            name, separator, _ = pair.partition("=")
            if not (name and separator):
                parser.error(f"{flag} takes NAME=VALUE, not {pair!r}")
    if bool(given.dify) != bool(given.app):
        parser.error("--dify and --app go together")
    if not given.start and (not given.remote or given.reload):
        parser.error("--no-start needs --remote, and leaves nothing for --reload to start again")
    if given.remote_port and not given.remote:
        parser.error("--remote-port needs --remote")
    if given.remote and given.serverless:
        parser.error("--remote and --serverless are two ways")
    if given.replicas < 1:
        parser.error("--replicas is 1 or more")
    if given.replicas > 1 and given.remote:
        parser.error("--replicas is not for --remote, where one plugin connects at a time")
    if not given.speed >= 0:
        parser.error("--speed is 0 or more")


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts)


def _options(given: argparse.Namespace) -> Options:
    here = Path.cwd()
    plugin = given.plugin or (here if (here / "manifest.yaml").is_file() else HERE.parent)
    return Options(
        plugin=plugin.resolve(),
        python=given.python,
        environment=dict(os.environ),
        host=given.host,
        port=given.port,
        remote=given.remote,
        remote_port=given.remote_port,
        serverless=given.serverless,
        start=given.start,
        reload=given.reload,
        replicas=given.replicas,
        control=given.control,
        service_port=given.service_port,
    )


def _cast(given: argparse.Namespace) -> Cast:
    """Demo apps always; a recording or a real app takes the place of a demo app of the same alias.

    The Service API has a recording of its own in place of the same case's over reverse invocation, and no real app:
    that has its own Service API.
    """
    recorded = recorded_apps(given.recordings, given.speed) if given.recordings else {}
    services = recorded_services(given.recordings, given.speed) if given.recordings else {}
    real = service_apps(given.dify, _pairs(given.app)) if given.dify else {}
    ids = {alias: stable_id("app", alias) for alias in {**recorded, **services, **real}}
    added = {alias: ids[alias] for alias in {**recorded, **real}}
    own, real_apps = demo_apps(), _by_id(ids, real)
    offered = {**own, **_by_id(ids, recorded), **_by_id(ids, services)}
    return Cast(
        apps={**own, **_by_id(ids, recorded), **real_apps},
        aliases={**DEMO_APPS, **added},
        added=added,
        entries=entries(offered, {**DEMO_APPS, **TEST_APPS, **ids}),
    )


def _by_id(ids: Mapping[str, str], apps: Mapping[str, App]) -> dict[str, App]:
    return {ids[alias]: app for alias, app in apps.items()}


def _hooks(path: Path, added: Mapping[str, str]) -> dict[str, Hook]:
    hooks = read_hooks(path)
    if added:
        name = DEFAULT_HOOK if DEFAULT_HOOK in hooks else next(iter(hooks))
        hooks[name] = with_apps(hooks[name], added)
    return hooks

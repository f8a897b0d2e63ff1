"""The one endpoint: the path says what to do, the query how.

A file of endpoints is executed once per YAML, so nothing here is shared between methods.
"""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gevent
from dify_plugin import Endpoint
from dify_plugin.core.entities.invocation import InvokeType
from dify_plugin.core.runtime import Session
from werkzeug import Request, Response


class Probe(Endpoint):
    def _invoke(self, r: Request, values: Mapping[str, Any], settings: Mapping[str, Any]) -> Response:
        return ACTIONS[values["what"]](self.session, r, settings)


def seen(_: Session, r: Request, settings: Mapping[str, Any]) -> Response:
    """What the plugin sees of a request."""
    body = r.get_data()
    return Response(
        json.dumps(
            {
                "method": r.method,
                "path": r.path,
                "query": r.query_string.decode(),
                "headers": dict(r.headers),
                "length": len(body),
                "body": body[:20].decode("latin-1"),
                "settings": dict(settings),
            }
        ),
        mimetype="application/json",
    )


def chunks(_: Session, r: Request, __: Mapping[str, Any]) -> Response:
    """`n` chunks of at least `size` bytes, numbered.

    Waits `first`, `gap` and `last` seconds before, between and after them; then says `say` in the log, or raises an
    exception with the text `then`. `length` is the Content-Length that it claims.
    """
    n, size = r.args.get("n", 1, int), r.args.get("size", 0, int)
    first, gap, last = (_seconds(r, name) for name in ("first", "gap", "last"))

    def body() -> Iterator[bytes]:
        _sleep(first)
        for number in range(n):
            if number:
                _sleep(gap)
            yield f"{number};".encode().rjust(size, b".")
        _sleep(last)
        if "say" in r.args:
            logging.getLogger("probe").warning(r.args["say"])
        if "then" in r.args:
            raise RuntimeError(r.args["then"])

    headers = {"X-Probe": "yes"} | ({"Content-Length": r.args["length"]} if "length" in r.args else {})
    return Response(body(), status=r.args.get("status", 200, int), headers=headers, mimetype="text/plain")


def _seconds(r: Request, name: str) -> float:
    return float(r.args.get(name, "0"))


def _sleep(seconds: float) -> None:
    """Nothing for 0: even a sleep of 0 would let the host read."""
    if seconds:
        gevent.sleep(seconds)


def joined(_: Session, __: Request, ___: Mapping[str, Any]) -> Response:
    """A body that is iterable, but no generator."""
    return Response([b"one;", b"two;", b"three;"], mimetype="text/plain")


def environment(_: Session, r: Request, __: Mapping[str, Any]) -> Response:
    return Response(os.environ[r.args["name"]])


def process(_: Session, __: Request, ___: Mapping[str, Any]) -> Response:
    """Which of several processes this one is."""
    return Response(str(os.getpid()))


def cookies(_: Session, __: Request, ___: Mapping[str, Any]) -> Response:
    response = Response("ok")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


def refuse(_: Session, r: Request, __: Mapping[str, Any]) -> Response:
    """Raises before there is a response."""
    raise (ValueError if r.args.get("kind") == "value" else RuntimeError)("refused")


def log(_: Session, r: Request, __: Mapping[str, Any]) -> Response:
    logging.getLogger("dify_plugin.plugin").info(r.args["text"])
    logging.getLogger("probe").warning(r.args["text"])
    print(r.args["text"])
    return Response("ok")


def app(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    """Runs an app; one JSON line per event, `{"raised": …}` for an exception."""
    arguments = {"response_mode": "streaming", "inputs": {}, **json.loads(r.get_data() or b"{}")}
    kind = arguments.pop("kind", "chat")

    def body() -> Iterator[bytes]:
        yield b"\n"
        try:
            for event in getattr(session.app, kind).invoke(**arguments):
                yield json.dumps(event).encode() + b"\n"
        except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to see it
            logging.getLogger("probe").warning("raised: %s", error)
            yield json.dumps({"raised": str(error)}).encode() + b"\n"
        gevent.sleep(0.1)

    return Response(body(), mimetype="application/x-ndjson")


def whole(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    """Runs an app to its end before there is a response; the names of its events."""
    arguments = json.loads(r.get_data())
    run = session.app.chat.invoke(**arguments, inputs={}, response_mode="streaming")
    try:
        return Response(json.dumps([event["event"] for event in run]), mimetype="application/json")
    except Exception as error:
        logging.getLogger("probe").warning("raised: %s", error)
        raise


def lazy(session: Session, _: Request, __: Mapping[str, Any]) -> Response:
    """Makes a reverse call and never asks for its first event."""
    session.app.chat.invoke(app_id="lazy", query="q", inputs={}, response_mode="streaming")
    return Response("made")


def parameters(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    return _told(lambda: session.app.fetch_app(r.args["app"]))


def storage(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    """`op` on `key`; a `set` takes the body."""
    store = session.storage
    key = r.args["key"]
    operations: dict[str, Callable[[], Any]] = {
        "set": lambda: store.set(key, r.get_data()),
        "get": lambda: store.get(key).decode(),
        "delete": lambda: store.delete(key),
        "exist": lambda: store.exist(key),
    }
    return _told(operations[r.args["op"]])


def call(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    """A reverse call of any `kind`, with the body as its request."""
    request = json.loads(r.get_data())
    return _told(lambda: list(session.storage._backwards_invoke(InvokeType(r.args["kind"]), dict, request)))


def outlive(session: Session, r: Request, _: Mapping[str, Any]) -> Response:
    """Streams for some `seconds`, after `first` others.

    Says in the log that it was asked to, and whether a storage call, made `after` some time, was answered.
    """
    seconds, name = _seconds(r, "seconds"), r.args["name"]
    logging.getLogger("probe").warning("serving %s", name)

    def look() -> None:
        gevent.sleep(_seconds(r, "after"))
        try:
            with gevent.Timeout(0.5):
                session.storage.exist("x")
        except gevent.Timeout:
            logging.getLogger("probe").warning("storage silent to %s", name)
        else:
            logging.getLogger("probe").warning("storage answered %s", name)

    gevent.spawn(look)

    def body() -> Iterator[bytes]:
        _sleep(_seconds(r, "first"))
        yield b"begun"
        gevent.sleep(seconds)

    return Response(body(), mimetype="text/plain")


def _told(do: Callable[[], Any]) -> Response:
    try:
        result = {"result": do()}
    except Exception as error:  # noqa: BLE001 - as above
        result = {"raised": str(error)}
    return Response(json.dumps(result), mimetype="application/json")


ACTIONS: dict[str, Callable[[Session, Request, Mapping[str, Any]], Response]] = {
    action.__name__: action
    for action in (
        seen,
        chunks,
        joined,
        environment,
        process,
        cookies,
        refuse,
        log,
        app,
        whole,
        lazy,
        parameters,
        storage,
        call,
        outlive,
    )
}

"""What the gateway asks of a way to Dify."""

from collections.abc import Generator
from typing import Protocol

from gateway.call import AppCall
from gateway.events import Kind, Raw
from gateway.presence import Presence


class AppTransport(Protocol):
    """The apps of one workspace, as one request can reach them."""

    @property
    def is_local(self) -> bool:
        """Whether the daemon runs this plugin as a process of its own, with its own environment."""
        ...

    @property
    def max_silence(self) -> float:
        """Seconds without an event after which the way itself gives up."""
        ...

    @property
    def has_app_key(self) -> bool:
        """Whether it goes by the app's own key: then any kind of app runs, for a true end user, with files, and as long
        as it takes.
        """
        ...

    def kind(self) -> Kind | None:
        """What Dify says that the app is; None where it does not say. Raises `DuckError`."""
        ...

    def upload(self, filename: str, content: bytes, mime_type: str) -> str:
        """Gives Dify a file for a call; its id there. Raises `DuckError`, where this way carries no files too."""
        ...

    def start(self, call: AppCall, kind: Kind | None) -> Generator[Raw]:
        """The run's events as Dify sends them. kind: what is known of the app, None for nothing.

        Nothing is sent before the first `next` (law 5). Raises `DuckError`, at once or from any `next`.
        """
        ...

    def parameters(self, app_id: str) -> Raw:
        """The app's features and input form (wire section 7). Raises `DuckError`."""
        ...


class Storage(Protocol):
    """What the plugin keeps in the workspace, as one request can reach it; shared by all endpoints and replicas.

    All but `presence` raise `DuckError` `storage_unavailable`.
    """

    def exists(self, key: str) -> bool: ...

    def load(self, key: str) -> bytes: ...

    def save(self, key: str, value: bytes) -> None: ...

    def presence(self) -> Presence:
        """What a call of this session tells of its caller (law 14)."""
        ...

"""The workbench's Service API: the apps behind its host, as a real Dify 1.16.0 offers them to holders of a key."""

from workbench.service_api.catalogue import Entry, entries
from workbench.service_api.recorded import recorded_services
from workbench.service_api.server import ServiceApi

__all__ = ["Entry", "ServiceApi", "entries", "recorded_services"]

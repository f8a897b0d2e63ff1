"""Which way a call takes to Dify: by the app's own key where the settings have one, else by reverse invocation."""

from dify_plugin.core.runtime import Session

from gateway.settings import App, Settings
from gateway.transports.interface import AppTransport
from gateway.transports.reverse import ReverseTransport
from gateway.transports.service_api import ServiceApiTransport


def service_transport(session: Session, settings: Settings, app: App, user: str) -> ServiceApiTransport | None:
    """The way by the app's own key, None for an app without one. user: `caller:user`."""
    if app.app_id not in settings.service.keys:
        return None
    is_local = ReverseTransport(session).is_local
    return ServiceApiTransport(settings.service, app, user, endpoint_id=session.endpoint_id or "", is_local=is_local)


def transport_for(session: Session, settings: Settings, app: App, user: str) -> AppTransport:
    """The way of any call. user: `caller:user`, so that two callers are never one end user of Dify's."""
    return service_transport(session, settings, app, user) or ReverseTransport(session)

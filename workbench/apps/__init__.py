"""The apps behind the workbench's host: scripted demo apps, replayed recordings, real Dify apps."""

from workbench.apps.demo import DEMO_APPS, TEST_APPS, demo_apps
from workbench.apps.recorded import recorded_apps
from workbench.apps.service import ServiceError, service_apps

__all__ = ["DEMO_APPS", "TEST_APPS", "ServiceError", "demo_apps", "recorded_apps", "service_apps"]

"""Set-up of the fuzz run's tests: the SDK without its patches of the whole process, as in the gateway's tests."""

from unittest import mock

with mock.patch("gevent.monkey.patch_all"):
    import dify_plugin  # noqa: F401 - imported for its effect

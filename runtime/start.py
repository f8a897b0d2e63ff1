"""Decides at start-up whether the faster wire is used: the operator's word, and an SDK that it is known to fit.

Where it is not used, the plugin runs on the SDK's own path, and one line in the log says why.
"""

import logging
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from dify_plugin import DifyPluginEnv

if TYPE_CHECKING:
    from runtime.replies import Refuse

TESTED: Final = frozenset({"0.10.2"})
"""The SDK's versions that the faster wire was tested with."""

SWITCH: Final = "DUCK_RUNTIME"
"""The environment's variable; `sdk` leaves the SDK as it is."""

_logger: Final = logging.getLogger("duck.runtime")


def install(config: DifyPluginEnv, refuse: "Refuse") -> bool:
    """Whether the faster wire is in use from now on. To be called before the SDK's `Plugin` is made.

    refuse: answers requests that the SDK can't read.
    """
    reason = f"{SWITCH} says so" if os.environ.get(SWITCH) == "sdk" else _applied(config, refuse)
    if reason:
        _logger.warning("running on the SDK's own path: %s", reason)
    return not reason


def _applied(config: DifyPluginEnv, refuse: "Refuse") -> str:
    """Why it does not fit this SDK; `""` where it does, and is in use."""
    found = version("dify_plugin")
    if found not in TESTED:
        return f"its version {found} is none of those tested ({', '.join(sorted(TESTED))})"
    try:
        from runtime import patches  # noqa: PLC0415 - what it imports may fail with another SDK

        patches.apply(config.INSTALL_METHOD, refuse)
    except Exception as error:  # noqa: BLE001 - whatever it is that does not fit, the SDK's own path does
        return f"the faster wire does not fit it ({type(error).__name__}: {error})"
    return ""

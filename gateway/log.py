"""Duck's log: the loggers below `duck`, through the SDK's own handler, which the daemon reads."""

import logging
from typing import Final

from dify_plugin.config.logger_format import plugin_logger_handler

logger: Final = logging.getLogger("duck")
logger.setLevel(logging.INFO)
logger.addHandler(plugin_logger_handler)
logger.propagate = False  # the root logger's handler of last resort would say everything twice

"""Starts the SDK's runtime, which speaks to Dify's plugin daemon and loads everything else by manifest.yaml.

Passes no limits to `DifyPluginEnv`: a value given here would outrank the one that the operator sets in the
environment.
"""

from dify_plugin import DifyPluginEnv, Plugin

from gateway import serve
from runtime.memory import settle
from runtime.start import install

config = DifyPluginEnv()
is_faster = install(config, serve.refuse)
plugin = Plugin(config)
if is_faster:
    settle()

if __name__ == "__main__":
    plugin.run()

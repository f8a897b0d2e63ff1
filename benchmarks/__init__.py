"""Measurements of the plugin, each printing a ratio. Not packaged."""

"""A local Dify for developing Duck: runs the plugin as its own process and speaks to it as Dify's plugin daemon does.

Not packaged, and nothing of it imports the plugin's own code: the two meet on the wire.
"""

"""The wire between Duck and the plugin daemon, where the SDK's own costs too much: `patches.py` says what is replaced
and why, and everything else here is what it is replaced with.

Knows the SDK's messages, and nothing of Duck: what a request or an event means is the gateway's. `DUCK_RUNTIME=sdk` in
the environment turns it off.
"""

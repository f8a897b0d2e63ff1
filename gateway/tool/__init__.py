"""The apps as a tool inside Dify: what workflows and agents of the same workspace call (docs/tool.md).

It runs apps by the same way as every route: `gateway.start` and what is below it. Owns only what a tool has of its own:
its parameters, its credentials, its messages, and the bounds of apps that call themselves. A tool has no caller with a
key: Dify has let in whoever runs the app that calls it.
"""

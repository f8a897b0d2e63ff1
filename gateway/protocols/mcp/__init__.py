"""The Model Context Protocol over Streamable HTTP: tools only, stateless, in the revisions of `revisions` (protocols
section 6).

Messages in, results out; which app is which tool, and how it is run, is `gateway.mcp`'s business.
"""

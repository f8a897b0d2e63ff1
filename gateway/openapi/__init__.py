"""`GET /openapi.json`: what an endpoint does, for generators of clients; made of the route table and of the readers and
writers that serve.
"""

from gateway.openapi.answer import answer

__all__ = ["answer"]

"""Signed webhooks: who has signed, whether the delivery is new, what it asks of its app, and what it is answered.

The parts know no settings form, no session and no app; the way of a delivery through them is `gateway.hook_route`'s.
"""

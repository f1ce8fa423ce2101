"""The data's way: publisher, collectors, router, consumer pool, drain.

Rules of residence: what touches an event, in Python where it is not on every event's way.
Nothing here knows of the admin room; what must reach it is a callable handed in.
"""

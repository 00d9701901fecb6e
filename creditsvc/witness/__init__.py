"""An outside party that holds a log to its word (C2SP tlog-witness, tlog-cosignature).

It needs no database and none of the service's secrets: a directory of its own, the log's verifier key, and
HTTP. ``checking`` is the pure core that both its parts share: ``watching`` fetches, ``serving`` is asked.
"""

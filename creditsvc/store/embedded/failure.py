"""What can go wrong with the embedded server, in words for whoever started it."""

from creditsvc.errors import Unavailable


class ServerFailed(Unavailable):
    """The embedded PostgreSQL cannot be started, reached or trusted; the detail says what to do."""


class DirectoryOccupied(ServerFailed):
    """Another process owns the data directory."""

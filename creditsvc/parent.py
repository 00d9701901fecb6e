"""What a process that the service started and its parent agree on: see ``creditsvc.service``."""

import math
import signal
import sys
from dataclasses import replace

from creditsvc.settings import Settings

READY = b"ready\n"
SEQUENCER = "sequencer"  # the slot of the one that is no worker
KILL_GRACE_S = 5.0  # beyond the drain time, for closing the database's connections


def end_within(seconds: float) -> None:
    """Have the kernel end this process then, whatever hangs: without a parent nobody else would."""
    signal.alarm(math.ceil(seconds) + 1)


def told(settings: Settings) -> Settings:
    """Give the settings with the database to use: the one set, or else the one that the parent names.

    A process that is started before there is a database reads it as a line from standard input, and ends
    where there is none: then the parent is gone, or has given up.
    """
    if settings.database_url:
        return settings
    dsn = sys.stdin.readline()
    if not dsn:
        sys.exit(0)
    return replace(settings, database_url=dsn.rstrip("\n"))

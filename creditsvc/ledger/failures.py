"""Which failures of the database mean: run it again."""

import asyncpg

from creditsvc.errors import Unavailable


class ReleaseUnknown(Unavailable):
    """A model was released that this process does not know; it must not answer by the old rules."""

    def __init__(self) -> None:
        super().__init__("The service takes up a new release; send the request again", retry_after_s=2)


class ClockBehind(Unavailable):
    """The database's clock is far behind what the log says it is complete until: nothing can be recorded."""

    def __init__(self) -> None:
        super().__init__("The service's clock is being put right; send the request again", retry_after_s=10)


class IdentityRace(Exception):  # noqa: N818  what happened, not an error of anybody's
    """Another transaction claimed an identity for another subject meanwhile: roll back and run again."""


class OpeningRace(Exception):  # noqa: N818  what happened, not an error of anybody's
    """Another transaction opened the account of an organisation meanwhile: it is not locked; begin again."""


# The transaction did not happen, or nobody can tell whether it did: events know their identity, so running
# it again does no harm. asyncpg raises InterfaceError and InternalClientError on a connection that broke.
AGAIN = (
    IdentityRace,
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
)

"""Which failures of the database mean: run it again."""

import asyncpg


class IdentityRace(Exception):  # noqa: N818  what happened, not an error of anybody's
    """Another transaction claimed an identity for another subject meanwhile: roll back and run again."""


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

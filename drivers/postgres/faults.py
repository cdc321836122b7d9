"""What PostgreSQL and the network may do to a statement, said in the contract's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from drivers.errors import SchemaTooOld, StoreUnavailable

# The database is away, going down, full, not ours to enter, or slower than we wait for.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.ReadOnlySQLTransactionError,
)
SCHEMA_TOO_OLD = "The database's schema is older than this release needs: run `vitrine migrate`."


@contextmanager
def translated() -> Iterator[None]:
    """Turn faults of the database into StoreUnavailable, and a missing table or column into SchemaTooOld.

    The texts name the kind of fault only: asyncpg's own may quote addresses and names of users.
    """
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailable(f"The database does not answer ({type(error).__name__}).") from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise SchemaTooOld(SCHEMA_TOO_OLD) from error

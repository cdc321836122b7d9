"""What PostgreSQL and the network may do to a statement, said in the contract's errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import asyncpg

from drivers.errors import SchemaTooOld, StoreUnavailable, Unstorable

# The database is away, going down, full, not ours to enter, changing under our feet, or slower than we wait for.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.TransactionRollbackError,
)
# What an operator can mend is said in words; of the rest the kind is told.
REMEDIES: Mapping[type[Exception], str] = MappingProxyType(
    {
        asyncpg.InvalidAuthorizationSpecificationError: "The database refuses the user or the password of its URL.",
        asyncpg.InvalidCatalogNameError: "The server has no database of the URL's name: create it.",
        asyncpg.InsufficientPrivilegeError: "The database forbids this to the URL's user: make it the owner.",
        asyncpg.TargetServerAttributeNotMatched: "No server of the URL is what its target_session_attrs asks for.",
    }
)
URL_MALFORMED = (
    "The database's URL cannot be used: check its ports and parameters, and percent-encode "
    "what is no letter or digit in its user and password."
)
SCHEMA_TOO_OLD = "The database's schema is older than this release needs: run `vitrine migrate`."


async def connect(*arguments: Any, **options: Any) -> asyncpg.Connection:
    """Connect as `asyncpg.connect` does, but raise StoreUnavailable for a URL it cannot use, without quoting the URL.

    asyncpg looks at it no sooner, and its errors quote what it took for a port: the password, if that holds a slash.
    """
    try:
        return await asyncpg.connect(*arguments, **options)
    except (ValueError, OverflowError, asyncpg.UndefinedObjectError):
        raise StoreUnavailable(URL_MALFORMED) from None


@contextmanager
def translated() -> Iterator[None]:
    """Turn faults of the database into StoreUnavailable, a missing table or column into SchemaTooOld.

    Values that no column can hold are Unstorable. The texts name the kind of fault only: asyncpg's own may quote
    addresses, names of users and values.
    """
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailable(_remedy(error)) from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise SchemaTooOld(SCHEMA_TOO_OLD) from error
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as error:
        raise Unstorable(f"A value cannot be stored ({type(error).__name__}).") from error


def _remedy(error: Exception) -> str:
    unknown = f"The database does not answer ({type(error).__name__})."
    return next((text for kind, text in REMEDIES.items() if isinstance(error, kind)), unknown)

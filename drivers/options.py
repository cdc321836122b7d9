"""What an operator may tune of a driver, whichever it is."""

import msgspec


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Most connections to keep, and how many seconds one statement, or the wait for a connection, may take."""

    pool: int = 10
    timeout: float = 5.0

"""The contract in SQL, over PostgreSQL by asyncpg."""

from drivers.postgres.store import open_postgres

__all__ = ["open_postgres"]

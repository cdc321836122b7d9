"""How PostgreSQL runs a statement of the driver: its plan, and what it really read."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from drivers.postgres import rows, statements

Node = dict[str, Any]


async def explain(url: str, text: str, values: Sequence[Any], *before: str) -> list[Node]:
    """Run a statement, after others, as the store does, and undo it; give the nodes of its plan."""
    connection = await asyncpg.connect(url)
    try:
        await rows.set_codecs(connection)
        await connection.execute(statements.SET_PLANNER)
        transaction = connection.transaction()
        await transaction.start()
        for statement in before:
            await connection.execute(statement)
        # Only what is prepared gets the plan that it gets in the pool: one for all values.
        await connection.execute(f"prepare asked as {text}")
        arguments = f"({', '.join(map(_literal, values))})" if values else ""
        explained = await connection.fetchval(f"explain (analyze, format json) execute asked {arguments}")
        await transaction.rollback()
    finally:
        await connection.close()
    return list(_nodes(json.loads(explained)[0]["Plan"]))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool() | int():
            return str(value)
        case datetime():
            return f"'{value.isoformat()}'"
        case timedelta():
            return f"'{value.total_seconds()} seconds'"
        case [str(), *_]:
            return f"array[{', '.join(map(_literal, value))}]"
        case str():
            return "'" + value.replace("'", "''") + "'"
    raise TypeError(value)


def scans(nodes: Sequence[Node]) -> list[Node]:
    """Give the nodes that read tables."""
    return [node for node in nodes if "Relation Name" in node and node["Node Type"] != "ModifyTable"]


def touched(nodes: Sequence[Node]) -> int:
    """Count the rows and index entries that were read, fitting or not."""
    read = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(int(node["Actual Loops"] * sum(node.get(name, 0) for name in read)) for node in scans(nodes))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)

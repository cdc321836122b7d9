"""A page of a list as one statement: branches that each read an index in the page's order, merged; never an `or`.

`sql/0002_list.sql` has the indexes, and says what each is for.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from msgspec.structs import replace

from drivers.postgres.conditions import Values, storable, write_conditions
from drivers.postgres.statements import COLUMNS
from drivers.query import ImageQuery, Order, SortKey
from drivers.records import MemberStatus, Visibility

VISIBILITIES: tuple[Visibility, ...] = get_args(Visibility)
MEMBER_STATUSES: tuple[MemberStatus, ...] = get_args(MemberStatus)
NULLABLE_KEYS: Mapping[SortKey, str] = MappingProxyType(
    {
        "name": "coalesce(images.name, '')",
        "container_format": "coalesce(images.container_format, '')",
        "disk_format": "coalesce(images.disk_format, '')",
        "size": "coalesce(images.size, 0)",
    }
)
# Where the order is kept beside the terms, and beside the memberships, of images.
TERM_KEYS: Mapping[SortKey, str] = MappingProxyType({"created_at": "terms.created_at", "id": "terms.image_id"})
MEMBER_KEYS: Mapping[SortKey, str] = MappingProxyType(
    {
        **NULLABLE_KEYS,
        "name": "members.image_name",
        "created_at": "members.image_created_at",
        "id": "members.image_id",
    }
)
# Each outer row's image, looked up by its id: the planner may not begin with the images and look for the outer rows.
IMAGE_OF = "cross join lateral (select * from images where id = {} offset 0) as images"
# The fields whose values are terms, as `terms_of` in SQL has them.
TERM_FIELDS = frozenset({"name", "status", "container_format", "disk_format", "checksum", "os_hash_value"})
# How far to look into the images of each of several terms, to read those of the rarest.
PROBE = 50
# Up to so many images of a term are sorted where the order is not by age; where more have it, the next is soon met.
FEW = 2000


class Statement(NamedTuple):
    """A text with placeholders, and the values of these in order."""

    text: str
    values: Sequence[Any]


class Branch(NamedTuple):
    """Some of the images that a viewer sees, and where the keys that order them are read; no image is in two."""

    source: str
    conditions: tuple[str, ...]
    keys: Mapping[SortKey, str] = NULLABLE_KEYS

    def key(self, order: Order) -> str:
        """Give the expression of a key of the order."""
        return self.keys.get(order.key, f"images.{order.key}")


def page_statement(query: ImageQuery) -> Statement:
    """Write the statement of a page. Its rows are COLUMNS, `locations` and `member_status`.

    Behind a marker each row also has `marked`: whether the marker is there. An empty page has one row then, without an
    `id`.
    """
    return _Page(query).statement()


def _fixed(query: ImageQuery) -> Mapping[Order, str]:
    """Find the first keys of the order that a filter fixes, and to what: they order nothing but the marker."""
    values = {each.field: each.value for each in query.filters if each.operator == "eq" and each.field in TERM_FIELDS}
    fixed: dict[Order, str] = {}
    for order in query.sort:
        value = values.get(order.key)
        if not isinstance(value, str) or not storable(value):
            break
        fixed[order] = value
    return fixed


class _Page:
    """The statement of one page while it is written."""

    def __init__(self, query: ImageQuery) -> None:
        self.fixed = _fixed(query)
        # Keys that order nothing would keep the others from an index.
        self.query = replace(query, sort=query.sort[len(self.fixed) :])
        self.values = Values()
        self.add = self.values.add
        self.tables: list[str] = []
        self.terms = list(_terms(query))
        self.ids = _ids(query)
        self.by_age = [order.key for order in query.sort] == ["created_at", "id"] and self._one_way()

    def _one_way(self) -> bool:
        return len({order.direction for order in self.query.sort}) == 1

    def statement(self) -> Statement:
        page = self._page()
        if self.query.marker is not None:
            page = f"""
select {COLUMNS}, locations, member_status, marked
from (select exists (select from marker) as marked) as start
left join ({page}) as page on true
order by {self._order()}
"""
        tables = f"with {', '.join(self.tables)}" if self.tables else ""
        return Statement(tables + page, self.values.all)

    def _page(self) -> str:
        query = self.query
        member_id = self.add(query.project_id)
        keys = ""
        if query.marker is not None:
            self._find_marker(query.marker)
            keys = "".join(f", key{number}" for number in range(len(query.sort)))
        return f"""
select {COLUMNS}, {"locations" if query.locations else "null as locations"}, (
    select status from image_members where image_id = id and member_id is not distinct from {member_id}
) as member_status{keys}
from ({self._rows()}) as rows
order by {self._order()}
limit {query.limit:d}
"""

    def _order(self) -> str:
        return ", ".join(f"key{number} {order.direction}" for number, order in enumerate(self.query.sort))

    def _find_marker(self, marker: str) -> None:
        """Look the marker up as `get` would: what the viewer may not know of is no marker (reference section 0.3)."""
        query = self.query
        images = Branch("images", ())
        keys = ", ".join(
            (*self._place(images), *(f"{images.key(order)} as key{number}" for number, order in enumerate(query.sort)))
        )
        where = f"id = {self.add(marker)}"
        if not query.is_admin:
            project_id = self.add(query.project_id)
            where += f""" and (
                visibility in ('public', 'community') or owner is null or owner = {project_id}
                or visibility = 'shared'
                and exists (
                    select from image_members where image_id = images.id and member_id is not distinct from {project_id}
                )
            )"""
        self.tables.append(f"marker as materialized (select {keys} from images where {where})")

    def _place(self, images: Branch) -> Iterator[str]:
        """Compare the marker's keys with those that a filter fixes, the same for all that is listed."""
        if self.fixed:
            values = [self.add(value) for value in self.fixed.values()]
            ties, beyond = _compare(values, [images.key(order) for order in self.fixed], list(self.fixed))
            yield f"{beyond} as before_all"
            yield f"{ties} as among_them"

    def _rows(self) -> str:
        """Write the branches, each of at most a page, so that merging them costs a few pages at most."""
        conditions = tuple(write_conditions(self.query, self.values))
        branches = list(self._branches()) or [Branch("images", ("false",))]
        return "\nunion all\n".join(self._branch(branch, conditions) for branch in branches)

    def _branch(self, branch: Branch, conditions: Sequence[str]) -> str:
        sort = self.query.sort
        keys = [branch.key(order) for order in sort]
        named = ", ".join(f"{key} as key{number}" for number, key in enumerate(keys))
        order = ", ".join(f"{key} {order.direction}" for key, order in zip(keys, sort, strict=True))
        limit = f"limit {self.query.limit:d}"
        return "\nunion all\n".join(
            f"(select images.*, {named} from {branch.source} where {where} order by {order} {limit})"
            for where in (" and ".join((*branch.conditions, *conditions, *start)) for start in self._starts(keys))
        )

    def _starts(self, keys: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Give where the page starts, as alternatives: for any one marker, all but one are not even run."""
        after = tuple(self._after(keys))
        if self.query.marker is None or not self.fixed:
            yield after
            return
        yield ("(select before_all from marker)",)
        yield ("(select among_them from marker)", *after)

    def _after(self, keys: Sequence[str]) -> Iterator[str]:
        """Start behind the marker. Keys that all run one way compare as a row, which an index understands."""
        if self.query.marker is None:
            return
        marks = [f"(select key{number} from marker)" for number in range(len(keys))]
        sign = _beyond(self.query.sort[0])
        if self._one_way():
            yield f"({', '.join(keys)}) {sign} ({', '.join(marks)})"
            return
        yield f"{keys[0]} {sign}= {marks[0]}"
        _, beyond = _compare(keys, marks, self.query.sort)
        yield f"({beyond})"

    def _branches(self) -> Iterator[Branch]:
        """Tell which images the viewer sees (reference section 3.5), by visibility and owner, as the indexes are."""
        query = self.query
        asked = VISIBILITIES if query.visibility in {None, "all"} else (query.visibility,)
        owner = next((each.value for each in query.filters if (each.field, each.operator) == ("owner", "eq")), None)
        if isinstance(owner, str) and not storable(owner):
            return
        for visibility in asked:
            if _sees_everybodys(query, visibility):
                yield from self._scope(visibility, owner)
            elif query.project_id is not None and owner in {None, query.project_id}:
                yield from self._scope(visibility, query.project_id)
        if "shared" in asked and query.project_id not in {None, owner} and not query.is_admin:
            yield from self._shared()

    def _scope(self, visibility: Any, owner: Any) -> Iterator[Branch]:
        """Read the images of one visibility, of one owner or of all."""
        where = [f"images.visibility = {self.add(visibility)}"]
        if owner is not None:
            where.append(f"images.owner = {self.add(owner)}")
        if self.ids is not None:
            asked = f"unnest({self.add(self.ids, 'text[]')}) as asked (id)"
            yield Branch(f"{asked} {IMAGE_OF.format('asked.id')}", tuple(where))
            return
        if not self.terms:
            yield Branch("images", tuple(where))
            return
        terms = f"image_terms as terms {IMAGE_OF.format('terms.image_id')}"
        if self.by_age:
            yield Branch(terms, (*where, f"terms.key = {self._rarest(visibility, owner)}"), TERM_KEYS)
            return
        seed = self._seed(self._term_keys(visibility, owner))
        of_term = f"terms.key = (select key from {seed})"
        yield Branch(terms, (*where, of_term, f"(select reach from {seed}) is null"))
        yield Branch("images", (*where, f"(select reach from {seed}) is not null"))

    def _rarest(self, visibility: Any, owner: Any) -> str:
        """Write the key of the term that fewest images of a scope have."""
        keys = self._term_keys(visibility, owner)
        return keys[0] if len(keys) == 1 else f"(select key from {self._seed(keys)})"

    def _term_keys(self, visibility: Any, owner: Any) -> list[str]:
        hidden, everybody = self.add(self.query.os_hidden, "boolean"), "''"
        scope = f"{self.add(visibility)}, {hidden}, {everybody if owner is None else self.add(owner)}"
        return [f"image_term({scope}, {self.add(name)}, {self.add(value)})" for name, value in self.terms]

    def _seed(self, keys: Sequence[str]) -> str:
        """Choose the term that fewest images have, and tell its `reach`; give the name of that table.

        The reach is how old the last of a few images with the term is, from where the page starts: the farther, the
        fewer have the term. It is null where there are not so many.
        """
        nearest = self.query.sort[0].direction
        farthest = "asc" if nearest == "desc" else "desc"
        seed = f"seed{len(self.tables)}"
        self.tables.append(f"""{seed} as materialized (
            select key, {self._reach(nearest)} as reach
            from (values {", ".join(f"({key})" for key in keys)}) as term (key)
            order by reach {farthest} nulls first
            limit 1
        )""")
        return seed

    def _reach(self, direction: str) -> str:
        after = "".join(f" and {each}" for each in self._after(("created_at", "image_id"))) if self.by_age else ""
        return f"""(
            select created_at from image_terms where image_terms.key = term.key{after}
            order by created_at {direction}, image_id {direction} offset {PROBE if self.by_age else FEW} limit 1
        )"""

    def _shared(self) -> Iterator[Branch]:
        """Read the images shared with the viewer's project; those that lack the rarest term are not even looked up."""
        query = self.query
        project_id = self.add(query.project_id)
        source = f"image_members as members {IMAGE_OF.format('members.image_id')}"
        where = ["images.visibility = 'shared'", f"images.owner is distinct from {project_id}"]
        if self.ids is not None:
            where.append(f"members.image_id = any ({self.add(self.ids, 'text[]')})")
        elif self.terms:
            where.append(f"""(
                select true from image_terms where key = {self._rarest("shared", None)}
                and created_at = members.image_created_at and image_id = members.image_id
            )""")
        for status in MEMBER_STATUSES if query.member_status == "all" else (query.member_status,):
            ours = (f"members.member_id = {project_id}", f"members.status = {self.add(status)}")
            yield Branch(source, (*ours, *where), MEMBER_KEYS)


def _compare(keys: Sequence[str], marks: Sequence[str], sort: Sequence[Order]) -> tuple[str, str]:
    """Write that the keys tie with the marks, and that they come after them."""
    ties = [f"{key} = {mark}" for key, mark in zip(keys, marks, strict=True)]
    after = [f"{key} {_beyond(order)} {mark}" for key, mark, order in zip(keys, marks, sort, strict=True)]
    return " and ".join(ties), " or ".join(" and ".join((*ties[:number], each)) for number, each in enumerate(after))


def _beyond(order: Order) -> str:
    return "<" if order.direction == "desc" else ">"


def _sees_everybodys(query: ImageQuery, visibility: str | None) -> bool:
    if visibility == "community":
        return query.visibility is not None
    return query.is_admin or visibility == "public"


def _ids(query: ImageQuery) -> list[str] | None:
    """List the ids that are asked for, if any are: a page is soon chosen among them."""
    for each in query.filters:
        if each.field == "id" and each.operator in {"eq", "in"}:
            asked = each.value if isinstance(each.value, tuple) else (str(each.value),)
            return sorted({item for item in asked if storable(item)})
    return None


def _terms(query: ImageQuery) -> Iterator[tuple[str, str]]:
    """List what the query asks for by name, as `terms_of` in SQL names it."""
    yield from ((f"property {name}", value) for name, value in query.properties if storable(name, value))
    yield from (("tag", tag) for tag in query.tags if storable(tag))
    for each in query.filters:
        if each.field in TERM_FIELDS and each.operator == "eq" and isinstance(each.value, str) and storable(each.value):
            yield each.field, each.value

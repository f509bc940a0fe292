"""The hot path's SQL, written once: the ORM's statements without the ORM's work for each row.

Placing an order through model instances costs five times what its statements cost the database. So the few
statements that every order runs, and some that every row of an import does, are compiled once, from the
models' own `_meta` and by the ORM's own compiler, and then only filled in. They run inside `atomic()` on the
connection that the ORM uses, errors become Django's, and tests compare what they write and read with what the
ORM does (`test_statements.py`). Everything else uses the ORM.

Across a network it is round trips that cost: `together` sends several statements at once, and what is written
`later` goes with the next statement of the transaction or with its COMMIT. On SQLite, and where statements are
counted or logged, they are sent one by one in the same order.
"""

import functools
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models import Expression, QuerySet

from .database import is_watched

#: Statements of more rows are written anew each time: every number of rows is another text.
MOST_KEPT: Final = 256

#: Fields whose Python values every driver takes as they are.
_PLAIN: Final = (
    models.CharField,
    models.TextField,
    models.IntegerField,
    models.BooleanField,
    models.ForeignKey,
)


class _Here(threading.local):
    """What a thread finds once: Django's proxies look it up, by way of asyncio, with each attribute."""

    def __init__(self) -> None:
        self.database: Any = connections[DEFAULT_DB_ALIAS]


_here: Final = _Here()


class Statement[T](NamedTuple):
    """A statement that can be sent, and what is made of its answer: the rows, and the id that an INSERT gave."""

    sql: str
    values: Sequence[Any]
    read: Callable[[Sequence[Any], int], T]

    def run(self) -> T:
        """Send it now."""
        return cast("T", together(self)[0])

    def run_later(self) -> None:
        """With whatever the transaction sends next, be it its COMMIT: that fails if this does."""
        database = _here.database
        if database.vendor == "mysql" and database.in_atomic_block and not is_watched(database):
            database.ask_later(self.sql, self.values)
        else:
            together(self)


def together(*statements: Statement[Any]) -> list[Any]:
    """The answers of several statements, sent at once where the database takes that, in their order.

    They are all sent before the first is read: what one refuses, later ones do not see. At the first error the
    database stops.
    """
    database = _here.database
    if is_watched(database):
        return [_through_django(database, each) for each in statements]
    database.close_if_health_check_failed()
    database.ensure_connection()
    if database.vendor != "mysql":
        return [_through_the_driver(database, each) for each in statements]
    answers = database.ask(*(each[:2] for each in statements))
    return [each.read(*answer) for each, answer in zip(statements, answers, strict=True)]


def _through_django[T](database: Any, statement: Statement[T]) -> T:
    with database.cursor() as cursor:
        cursor.execute(statement.sql, statement.values)
        return _read(cursor, statement)


def _through_the_driver[T](database: Any, statement: Statement[T]) -> T:
    """Past Django's own cursor, which costs as much as the driver's."""
    database.validate_no_broken_transaction()
    with database.wrap_database_errors, closing(database.create_cursor()) as cursor:
        cursor.execute(statement.sql, statement.values)
        return _read(cursor, statement)


def _read[T](cursor: Any, statement: Statement[T]) -> T:
    rows = cursor.fetchall() if cursor.description else ()
    return statement.read(rows, int(cursor.lastrowid or 0))


@functools.cache
def columns_of(model: type[models.Model]) -> list[str]:
    """What `values_list()` reads of a whole row, and `from_db()` takes."""
    return [field.attname for field in model._meta.concrete_fields]


class Parameter(Expression):
    """Stands in a queryset for a value that comes later."""

    def __init__(self, index: int) -> None:
        super().__init__(output_field=models.TextField())
        self.index = index

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class Query:
    """A SELECT that the ORM writes once for each number of values.

    `build` answers a `values_list()` queryset of the Parameters it is given; calling the Query with values
    answers the rows, as tuples, converted as the ORM converts them.

    With `shared`, nobody changes these rows until the transaction ends, while others may read and share them:
    the ORM knows exclusive locks only. (SQLite's one writer needs none.)

    `index` is the one that MySQL and MariaDB must read by, where they do not know how the rows lie.
    """

    def __init__(
        self,
        build: "Callable[..., QuerySet[Any, Any]]",
        *,
        shared: bool = False,
        index: str | None = None,
    ) -> None:
        self.build = build
        self.shared = shared
        self.index = index
        self._plans: dict[tuple[str, int], tuple[str, list[Any], Any, Any]] = {}

    def __call__(self, *values: Any) -> Any:
        return self.of(*values).run()

    def of(self, *values: Any) -> Statement[Any]:
        """The statement that asks for these values, to be sent `together` with others."""
        database = _here.database
        plan = self._plans.get((database.vendor, len(values)))
        if plan is None:
            plan = self._plans[database.vendor, len(values)] = self._compile(database, len(values))
        sql, template, compiler, converters = plan
        filled = [
            _value(database, values[part.index]) if type(part) is Parameter else part
            for part in template
        ]
        return Statement(sql, filled, lambda rows, _id: self._answer(rows, compiler, converters))

    def _answer(self, rows: Sequence[Any], compiler: Any, converters: Any) -> Any:
        if converters:
            return [tuple(row) for row in compiler.apply_converters(rows, converters)]
        return list(rows)

    def _compile(self, database: Any, count: int) -> tuple[str, list[Any], Any, Any]:
        queryset = self.build(*(Parameter(index) for index in range(count)))
        compiler = queryset.query.get_compiler(connection=database)
        sql, template = compiler.as_sql()
        if self.index and database.vendor == "mysql":
            table = f"FROM {database.ops.quote_name(queryset.model._meta.db_table)}"
            sql = sql.replace(table, f"{table} FORCE INDEX ({self.index})", 1)
        if self.shared and database.vendor == "mysql":
            sql += " LOCK IN SHARE MODE"  # FOR SHARE, in words that MariaDB has too
        converters = compiler.get_converters([column[0] for column in compiler.select])
        return sql, list(template), compiler, converters


class RowCount(Query):
    """How many rows `build` has, compiled once as a Query is. Slice it there: then it stops counting there."""

    def _answer(self, rows: Sequence[Any], compiler: Any, converters: Any) -> Any:
        return rows[0][0]

    def _compile(self, database: Any, count: int) -> tuple[str, list[Any], Any, Any]:
        sql, template, compiler, _ = super()._compile(database, count)
        return f"SELECT COUNT(*) FROM ({sql}) counted", template, compiler, None  # noqa: S608 -- the ORM's own SQL


def _value(database: Any, value: Any) -> Any:
    if isinstance(value, datetime):
        return _moment(database.vendor, value)
    return value.isoformat() if isinstance(value, date) else value


@functools.lru_cache(maxsize=256)
def _moment(vendor: str, value: datetime) -> str:
    """A time as the database wants it; the rows of one transaction share theirs."""
    if value.tzinfo is UTC:  # in which both databases keep it
        return str(value.replace(tzinfo=None))
    return str(connection.ops.adapt_datetimefield_value(value))


class Insert:
    """INSERT of any number of rows of `model` at once; `fields` are all its columns but a counted id.

    Raises:
        TypeError: a column is missing or unknown, so a field that the model gets later cannot be forgotten here.
    """

    def __init__(self, model: type[models.Model], *fields: str) -> None:
        columns = {
            field.attname: field
            for field in model._meta.concrete_fields
            if not isinstance(field, models.AutoField)
        }
        if set(fields) != set(columns):
            raise TypeError(f"{model.__name__}: {sorted(set(fields) ^ set(columns))}")
        self.table = model._meta.db_table
        self.fields = [columns[name] for name in fields]
        self._plans: dict[tuple[str, int], str] = {}
        self._prepare: dict[str, list[tuple[int, Callable[[Any], Any]]]] = {}

    def __call__(self, rows: Sequence[Sequence[Any]]) -> int:
        """Write the rows; answers the id that the database gave, if it was one row of a counted id."""
        return self.of(rows).run()

    def later(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write the rows with whatever the transaction sends next, be it its COMMIT: that fails if this does."""
        self.of(rows).run_later()

    def of(self, rows: Sequence[Sequence[Any]]) -> Statement[int]:
        """The statement that writes these rows, to be sent `together` with others."""
        database = _here.database
        key = database.vendor, len(rows)
        sql = self._plans.get(key) or self._sql(len(rows))
        if len(rows) <= MOST_KEPT:
            self._plans[key] = sql
        prepare = self._prepare.get(database.vendor)
        if prepare is None:
            prepare = self._prepare[database.vendor] = [
                (index, convert)
                for index, field in enumerate(self.fields)
                if (convert := _converter(database, field)) is not None
            ]
        values: list[Any] = []
        for row in rows:
            start = len(values)
            values.extend(row)
            for index, convert in prepare:
                if (value := values[start + index]) is not None:
                    values[start + index] = convert(value)
        return Statement(sql, values, _last_id)

    def _sql(self, count: int) -> str:
        quote: Callable[[Any], str] = connection.ops.quote_name
        columns = ", ".join(quote(field.column) for field in self.fields)
        row = f"({', '.join(['%s'] * len(self.fields))})"
        return f"INSERT INTO {quote(self.table)} ({columns}) VALUES {', '.join([row] * count)}"  # noqa: S608 -- names of our own models


def _last_id(_rows: Sequence[Any], last_id: int) -> int:
    return last_id


def _converter(database: Any, field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """How this database wants the values of `field`; None where it takes them as they are."""
    if isinstance(field, models.DateTimeField):
        return functools.partial(_moment, database.vendor)
    if isinstance(field, models.DecimalField):
        if database.vendor == "mysql":
            return None  # the driver writes a Decimal exactly
        digits, places = field.max_digits, field.decimal_places
        return lambda value: connection.ops.adapt_decimalfield_value(value, digits, places)
    if type(field) is models.JSONField and field.encoder is None:
        return _json
    if isinstance(field, _PLAIN):
        return None
    return lambda value: field.get_db_prep_save(value, connection)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits, say
        return json.dumps(value)


class Assign:
    """UPDATE of many rows in one statement, each to values of its own. Absolute values: lock the rows before."""

    def __init__(self, model: type[models.Model]) -> None:
        self.meta = model._meta
        self._plans: dict[tuple[str, tuple[tuple[str, int], ...], int], str] = {}

    def later(self, columns: Mapping[str, Mapping[int, int]], keys: Sequence[int]) -> None:
        """Set each column of `columns`, {field: {primary key: value}}, in the rows `keys`, as `Insert.later` does."""
        self.of(columns, keys).run_later()

    def of(
        self, columns: Mapping[str, Mapping[int, int | Decimal]], keys: Sequence[int]
    ) -> Statement[int]:
        """The statement that does this."""
        database = _here.database
        shape = (
            database.vendor,
            tuple((name, len(each)) for name, each in columns.items()),
            len(keys),
        )
        sql = self._plans.get(shape) or self._sql(*shape[1:])
        if len(keys) <= MOST_KEPT:
            self._plans[shape] = sql
        values = [part for each in columns.values() for pair in each.items() for part in pair]
        return Statement(sql, [*values, *keys], _last_id)

    def _sql(self, columns: Sequence[tuple[str, int]], count: int) -> str:
        quote: Callable[[Any], str] = connection.ops.quote_name
        pk = quote(self.meta.pk.column)

        def assignment(name: str, pairs: int) -> str:
            column = quote(self.meta.get_field(name).column)  # type: ignore[union-attr]  # fields of ours have one
            return f"{column} = CASE {pk} {' '.join(['WHEN %s THEN %s'] * pairs)} ELSE {column} END"

        assignments = ", ".join(assignment(name, pairs) for name, pairs in columns)
        return f"UPDATE {quote(self.meta.db_table)} SET {assignments} WHERE {pk} IN ({', '.join(['%s'] * count)})"  # noqa: S608 -- names of our own models

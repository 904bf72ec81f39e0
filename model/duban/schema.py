"""The table that a Document becomes, in Parquet and on Ray; `docs/output.md` describes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from duban.document import Document

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def pyarrow(module: str = "") -> Any:
    """pyarrow, or a module of it. Raises ImportError that says how to install it."""
    try:
        return import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ModuleNotFoundError:
        raise ImportError("Parquet needs pyarrow: pip install 'duban[parquet]'") from None


def schema() -> Any:
    """The pyarrow.Schema: `id`, then the fields of `Document.to_dict`, structs in lists."""
    pa = pyarrow()

    def struct(**fields: Any) -> Any:
        """A struct none of whose fields is null, but those given as (type, True)."""
        pairs = [(name, kind if isinstance(kind, tuple) else (kind, False)) for name, kind in fields.items()]
        return pa.struct([pa.field(name, kind, nullable=null) for name, (kind, null) in pairs])

    def many(kind: Any) -> Any:
        return pa.list_(pa.field("element", kind, nullable=False))

    string, integer, real = pa.string(), pa.int64(), pa.float64()
    where = {"text": string, "start": integer, "end": integer, "score": real}
    span = struct(label=string, start=integer, end=integer, text=string, score=real)
    target = struct(**where, directive=(many(integer), True))
    directive = struct(
        **where,
        issuer=(string, True),
        issuer_posts=many(string),
        addressee=(span, True),
        targets=many(target),
    )
    row = struct(
        id=string,
        text=string,
        spans=many(span),
        officials=many(struct(name=string, posts=many(string), mentions=many(span))),
        directives=many(directive),
        targets=many(target),
    )
    return pa.schema(list(row))


def table(documents: Iterable[tuple[str, Document]]) -> Any:
    """The pyarrow.Table of (id, Document)s, in `schema`. Lone surrogates, which are no Unicode, become U+FFFD."""
    rows = [_clean({"id": id_, **document.to_dict()}) for id_, document in documents]
    return pyarrow().Table.from_pylist(rows, schema=schema())


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value

"""Documents → bytes of an output format, in parts that can be joined."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from enum import Enum
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

from duban.document import Document
from duban.schema import LONE_SURROGATE, pyarrow, schema, table

Named = tuple[str, Document]
_COLUMNS = ["id", "start", "end", "directive", "issuer", "issuer_posts", "addressee", "targets", "score"]


class Format(str, Enum):
    """What `extract` writes."""

    jsonl = "jsonl"
    parquet = "parquet"
    csv = "csv"
    html = "html"


#: What stands once, before all parts.
HEADS = {
    Format.jsonl: b"",
    Format.parquet: b"",
    Format.csv: (",".join(_COLUMNS) + "\n").encode(),
    Format.html: b'<!doctype html><meta charset="utf-8"><title>duban</title>\n'
    b'<body style="max-width:50em;margin:auto;line-height:1.8">\n',
}


def part(documents: Sequence[Named], format: Format) -> bytes:
    """The output of some (id, Document)s, without the head; of Parquet a file of one row group.

    Raises ImportError where Parquet is asked for and pyarrow is not installed.
    """
    return _PARTS[format](documents)


def join(parts: Sequence[Path], format: Format, target: BinaryIO) -> None:
    """Write the head and the parts, one after the other."""
    if format is Format.parquet:
        parquet = pyarrow("parquet")
        with parquet.ParquetWriter(target, schema(), compression="zstd") as writer:
            for path in parts:
                writer.write_table(parquet.read_table(path, partitioning=None))
        return
    target.write(HEADS[format])
    for path in parts:
        with path.open("rb") as source:
            shutil.copyfileobj(source, target)


def json_line(record: dict[str, Any]) -> str:
    """A line of JSON Lines; lone surrogates, which are no Unicode, are written as escapes."""
    line = json.dumps(record, ensure_ascii=False)
    return (json.dumps(record) if LONE_SURROGATE.search(line) else line) + "\n"


def _jsonl(documents: Sequence[Named]) -> bytes:
    return "".join(json_line({"id": id_, **document.to_dict()}) for id_, document in documents).encode()


def _parquet(documents: Sequence[Named]) -> bytes:
    out = io.BytesIO()
    pyarrow("parquet").write_table(table(documents), out, compression="zstd")
    return out.getvalue()


def _csv(documents: Sequence[Named]) -> bytes:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for id_, document in documents:
        for d in document.directives:
            whom = d.addressee.text if d.addressee else ""
            targets = "；".join(t.text for t in d.targets)
            cells = [id_, d.start, d.end, d.text, d.issuer or "", "、".join(d.issuer_posts), whom, targets, d.score]
            rows.writerow([_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue().encode()


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection), and that can be encoded."""
    safe = LONE_SURROGATE.sub("\ufffd", text)
    return "'" + safe if safe.startswith(("=", "+", "-", "@", "\t", "\r")) else safe


def _html(documents: Sequence[Named]) -> bytes:
    page = "".join(f"<h2>{escape(id_)}</h2>\n{document.to_html()}\n" for id_, document in documents)
    return LONE_SURROGATE.sub("\ufffd", page).encode()


_PARTS = {Format.jsonl: _jsonl, Format.parquet: _parquet, Format.csv: _csv, Format.html: _html}

"""Files and folders → documents with ids, as a stream: JSON Lines, CSV, Parquet, text, HTML, and .gz of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

from duban.encodings import BROKEN, MARK_ERRORS, decode, encoding_of

#: By the first part of a file of records, in bytes, its encoding is told.
HEAD = 1 << 20
#: A longer cell of a CSV file is taken for a quotation mark that was never closed.
_LONGEST_CELL = 1 << 24
STANDARD_INPUT = Path("-")


class Given(NamedTuple):
    """A document as it was read.

    `place` is where: `file`, or `file:n` with n the line, in Parquet the row, from 1. `failure` is why there is no
    text; it is empty where there is one.
    """

    id: str
    place: str
    text: str = ""
    failure: str = ""


def given(place: str, record: dict[str, Any], text_column: str, id_column: str) -> Given:
    """The document of a record."""
    id_, text = record.get(id_column), record.get(text_column)
    name = place if id_ is None else str(id_)
    if isinstance(text, str):
        return Given(name, place, text)
    what = f"is {type(text).__name__} ({text!r:.60})" if text is not None else "is missing or empty"
    return Given(name, place, failure=f"expected a string {text_column!r}, which {what}")


class Inputs:
    """The documents of files, one after the other; iterate over it as often as you like.

    What cannot be read is a Given with a `failure`, a file or a line each, and the rest goes on.

    Args:
        paths: files, folders (whose files of known kinds are taken, sorted), or `-` for standard input. The ending
            tells the kind: .jsonl, .csv, .parquet; anything else is one document a file. All but Parquet may be
            gzipped, with a further .gz. Standard input is JSON Lines where it begins with `{`, else one document.
        text_column: the key or column of the text.
        id_column: that of the id; where there is none the id is the place.
        skip: files that are not taken from folders, since they are being written.
    """

    def __init__(
        self, paths: Iterable[Path], *, text_column: str = "text", id_column: str = "id", skip: Iterable[Path] = ()
    ) -> None:
        self._columns = (text_column, id_column)
        skipped = {path.resolve() for path in skip}
        self.files = [file for path in paths for file in _files(path, skipped)]
        self._finished = 0
        self._open: BinaryIO | None = None

    def size(self) -> int | None:
        """The bytes of all files; None where standard input is among them."""
        return None if STANDARD_INPUT in self.files else sum(stamp[0] for stamp in stamps(self.files).values() if stamp)

    def position(self) -> int:
        """How many of these bytes have been read."""
        return self._finished + (self._open.tell() if self._open and not self._open.closed else 0)

    def __iter__(self) -> Iterator[Given]:
        self._finished = 0
        for file in self.files:
            try:
                if file == STANDARD_INPUT:
                    yield from self._standard_input()
                    continue
                if file.is_dir():
                    yield _failed(str(file), "no .txt, .html, .jsonl, .csv or .parquet files in this folder")
                    continue
                with file.open("rb") as self._open:
                    yield from self._documents(file, self._open)
                self._finished += file.stat().st_size
            except OSError as error:
                yield _failed(str(file), f"cannot be read ({error.strerror or error})")
            except (ValueError, NotImplementedError, EOFError, zlib.error, ImportError) as error:
                yield _failed(str(file), str(error))
        self._open = None

    def _standard_input(self) -> Iterator[Given]:
        stream = sys.stdin.buffer
        head = stream.read(HEAD)
        whole = cast(BinaryIO, io.BufferedReader(_Rejoined(head, stream)))
        kind = ".jsonl" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else ""
        yield from self._of_kind(kind)("-", whole)

    def _documents(self, file: Path, stream: BinaryIO) -> Iterator[Given]:
        name = file.name.lower()
        if name.endswith(".gz"):
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
        yield from self._of_kind(Path(name.removesuffix(".gz")).suffix)(str(file), stream)

    def _of_kind(self, suffix: str) -> Callable[[str, BinaryIO], Iterator[Given]]:
        return {".jsonl": self._jsonl, ".csv": self._csv, ".parquet": self._parquet}.get(suffix, _whole)

    def _jsonl(self, file: str, stream: BinaryIO) -> Iterator[Given]:
        for number, line in enumerate(_lines(stream), 1):
            place = f"{file}:{number}"
            if line.isspace():
                continue
            if BROKEN in line:
                yield _failed(place, f"not in the encoding of the file, at character {line.index(BROKEN) + 1}")
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield _failed(place, f"not JSON ({error})")
                continue
            if isinstance(record, dict):
                yield given(place, record, *self._columns)
            else:
                yield _failed(place, f"expected an object with a string {self._columns[0]!r}, got {line.strip():.60}")

    def _csv(self, file: str, stream: BinaryIO) -> Iterator[Given]:
        csv.field_size_limit(_LONGEST_CELL)
        rows = csv.reader(_lines(stream))
        header = next(rows, [])
        _column(header, self._columns[0])
        while True:
            place = f"{file}:{rows.line_num + 1}"
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield _failed(place, f"not CSV ({error})")
                continue
            if row is None:
                return
            record = dict(zip(header, row))
            if any(BROKEN in cell for cell in row):
                yield _failed(place, "not in the encoding of the file")
            elif row:  # an empty cell is how CSV says that there is no text
                yield given(place, {column: cell or None for column, cell in record.items()}, *self._columns)

    def _parquet(self, file: str, stream: BinaryIO) -> Iterator[Given]:
        from duban.schema import pyarrow

        parquet = pyarrow("parquet").ParquetFile(stream, buffer_size=HEAD)
        names = parquet.schema_arrow.names
        _column(names, self._columns[0])
        columns = [column for column in self._columns if column in names]
        number = 0
        for batch in parquet.iter_batches(batch_size=256, columns=columns):
            for record in batch.to_pylist():
                number += 1
                yield given(f"{file}:{number}", record, *self._columns)


def stamps(files: Iterable[Path]) -> dict[str, list[int] | None]:
    """Of each file [bytes, time of its last change in ns]; None for standard input, folders and what is missing."""
    found = {}
    for file in files:
        about = file.stat() if file != STANDARD_INPUT and file.is_file() else None
        found[str(file)] = about and [about.st_size, about.st_mtime_ns]
    return found


class _Rejoined(io.RawIOBase):
    """A stream whose head was read, with its head."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = io.BytesIO(head), rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head.read(len(buffer)) or self._rest.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _files(path: Path, skipped: set[Path]) -> list[Path]:
    """The path, or the files of a folder."""
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.rglob("*") if _is_known(p) and p.is_file())
    inside = [p for p in inside if skipped.isdisjoint((p.resolve(), *p.resolve().parents))]
    return inside or [path]


def _is_known(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(".parquet") or name.removesuffix(".gz").endswith((".txt", ".html", ".htm", ".jsonl", ".csv"))


def _failed(place: str, why: str) -> Given:
    return Given(place, place, failure=why)


def _whole(file: str, stream: BinaryIO) -> Iterator[Given]:
    yield Given(file, file, decode(stream.read()))


def _lines(stream: BinaryIO) -> TextIO:
    """Its lines, in the encoding that its first part tells; what breaks it is marked, see `duban.encodings`."""
    head = stream.read(HEAD)
    whole = stream if stream.seekable() else cast(BinaryIO, io.BufferedReader(_Rejoined(head, stream)))
    if stream.seekable():
        stream.seek(0)
    return io.TextIOWrapper(whole, encoding_of(head, lines=True), errors=MARK_ERRORS, newline="\n")


def _column(columns: list[str], wanted: str) -> None:
    if wanted not in columns:
        raise ValueError(f"no column {wanted!r}, it has {', '.join(columns) or 'none'}; name it by --text-column")

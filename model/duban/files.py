"""Files of any of the usual encodings → texts with ids."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from duban.text import normalise

SUFFIXES = (".txt", ".html", ".htm", ".jsonl")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 where it is valid, UTF-16 with a byte order mark, else GB18030 or Big5.

    General detectors refuse one in a hundred short GB18030 reports, or misread them; but of the two readings of such a
    file only the right one is made of common characters.

    Raises ValueError when it is none of these; it says where UTF-8 breaks.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        why = f"not UTF-8 (byte {error.start} is 0x{data[error.start]:02x}), nor GB18030 or Big5; convert it to UTF-8"
    readings = []
    for encoding in ("gb18030", "big5hkscs"):
        try:
            readings.append(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    best = max(readings, key=_common, default="")
    if "\x00" in best or _common(best) < 0.5:
        raise ValueError(why)
    return best


def _common(text: str) -> float:
    """The share of its non-ASCII characters that are common ones: of the first level of GB 2312, or its punctuation."""
    read = [c for c in normalise(text).text if ord(c) > 127]
    codes = [c.encode("gb2312", "ignore") for c in read]
    return sum(code[:1] <= b"\xd7" for code in codes if code) / max(len(read), 1)


def texts(
    paths: Iterable[Path], complain: Callable[[str], None], skip: Path | None = None
) -> Iterator[tuple[str, str]]:
    """(id, text) of every document of the files, one after the other.

    Args:
        paths: .txt, .html and .jsonl files, folders (whose files of these kinds are taken, sorted), or `-` for standard
            input. A .jsonl line is an object with `text` and perhaps `id`; elsewhere the id is the path.
        complain: called with one line for each file or line that cannot be read; the rest goes on.
        skip: a file that is not taken from a folder, since it is being written.
    """
    for path in paths:
        try:
            if path.is_dir():
                inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
                inside = [p for p in inside if skip is None or p.resolve() != skip.resolve()]
                if not inside:
                    complain(f"{path}: no {', '.join(SUFFIXES)} files in this folder")
                yield from texts(inside, complain)
                continue
            text = decode(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
        except OSError as error:
            complain(f"{path}: cannot be read ({error.strerror or error})")
            continue
        except ValueError as error:
            complain(f"{path}: {error}")
            continue
        if path.suffix.lower() == ".jsonl":
            yield from _lines(path, text, complain)
        else:
            yield str(path), text


def _lines(path: Path, text: str, complain: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            complain(f"{path}:{number}: not JSON ({error})")
            continue
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            complain(f"{path}:{number}: expected an object with a string `text`")
            continue
        yield str(record.get("id", f"{path}:{number}")), record["text"]

"""Files of any of the usual encodings → texts with ids."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from charset_normalizer import from_bytes

SUFFIXES = (".txt", ".html", ".htm", ".jsonl")


def decode(data: bytes) -> str:
    """The text of a file: UTF-8 where it is valid, else what charset-normalizer finds of GB18030, Big5 and UTF-16.

    Raises ValueError when it is none of these.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if b"\x00" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it holds NUL bytes and looks like no text")
    found = from_bytes(data, cp_isolation=["gb18030", "big5", "utf_16"]).best()
    if found is None:
        raise ValueError("it is neither UTF-8 nor GB18030, Big5 or UTF-16; convert it to UTF-8 first")
    return str(found)


def texts(paths: Iterable[Path], complain: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """(id, text) of every document of the files, one after the other.

    Args:
        paths: .txt, .html and .jsonl files, folders (whose files of these kinds are taken, sorted), or `-` for standard
            input. A .jsonl line is an object with `text` and perhaps `id`; elsewhere the id is the path.
        complain: called with one line for each file or line that cannot be read; the rest goes on.
    """
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                complain(f"{path}: no {', '.join(SUFFIXES)} files in this folder")
            yield from texts(inside, complain)
            continue
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
            text = decode(data)
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
        except json.JSONDecodeError as error:
            complain(f"{path}:{number}: not JSON ({error})")
            continue
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            complain(f"{path}:{number}: expected an object with a string `text`")
            continue
        yield str(record.get("id", f"{path}:{number}")), record["text"]

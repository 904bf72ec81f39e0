"""Inline mark-up (`duban.markup`): a .txt a report, of `# key: value` lines, an empty line, and the marked report.

Without such a head a file is the marked report alone, and its name is the id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from duban.corpus import HEAD, Report
from duban.formats import shape
from duban.markup import from_markup, to_markup


def records(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """(place, (id, content)) of a file, or of every .txt of a folder."""
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise ValueError("no .txt in this folder")
    for file in files:
        with file.open(encoding="utf-8", newline="") as content:
            yield str(file), (shape.from_stem(file.stem), content.read())


def parse(record: tuple[str, str]) -> Report:
    """A report."""
    id_, content = record
    values = {"id": id_}
    head, found, body = content.partition("\n\n")
    lines = [line.removeprefix("# ").partition(": ") for line in head.split("\n")]
    if found and head.startswith("# ") and all(key in HEAD for key, _, _ in lines):
        values |= {key: value for key, _, value in lines}
        content = body
    text, marks = from_markup(content.removesuffix("\n"))
    return shape.make(values, text, marks)


def write(path: Path, reports: Sequence[Report]) -> None:
    """A .txt a report into a folder."""
    path.mkdir(parents=True, exist_ok=True)
    for report in reports:
        head = "".join(f"# {key}: {value}\n" for key, value in shape.head_of(report).items())
        content = f"{head}\n{to_markup(report.text, report.marks)}\n"
        (path / f"{shape.to_stem(report.id)}.txt").write_text(content, encoding="utf-8", newline="")

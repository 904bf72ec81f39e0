r"""The columns of CoNLL-2003: a character a line, an empty line after each line of the report.

    -DOCSTART- my-report-1 -X- O

    守 孙志 B-DIRECTIVE B-TARGET
    住 _ I-DIRECTIVE I-TARGET

The line that begins a document holds its id. CoNLL's columns for parts of speech and chunks hold the issuer of a
DIRECTIVE that begins here (or _) and the tag of the clause layer; the last column is the tag of the entity layer.
White space and what cannot be seen is written as Python writes it (\n, \u3000), so that the text is kept. Files of two
columns, token and tag, are read too: their tokens are joined without spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from duban.corpus import Report
from duban.formats import shape
from duban.labels import ENTITY_LABELS, decode, join, layer_tags
from duban.labels import split as pair
from duban.markup import Mark

START = "-DOCSTART-"
#: In the column of issuers.
NOBODY = "_"
_ESCAPED = re.compile(r"\\(?:[\\ntr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def _escape(text: str) -> str:
    def one(c: str) -> str:
        if c == " ":
            return r"\x20"
        return c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode("ascii")

    return "".join(map(one, text))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda m: m[0].encode("ascii").decode("unicode_escape"), text)


Rows = list[tuple[int, list[str]]]  # line, columns


def records(path: Path) -> Iterator[tuple[str, tuple[str, Rows]]]:
    """(place, (id, rows)) of each document."""
    found: list[tuple[str, tuple[str, Rows]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        columns = re.split(r"[ \t]+", line.strip(" \t\r"))
        if columns[0] == START or (columns[0] and not found):
            named = columns[1:2] if columns[0] == START and len(columns) == 4 and columns[1] != "-X-" else []
            found.append((f"{path}:{number}", (_unescape("".join(named)) or f"{path.stem}-{number}", [])))
        if columns[0] != START and found:
            found[-1][1][1].append((number, columns))
    yield from found


def parse(record: tuple[str, Rows]) -> Report:
    """A report."""
    id_, rows = record
    text: list[str] = []
    tags = [("O", "O")]  # one more than characters, so that there is one before each
    issuers: dict[int, str] = {}
    for number, columns in rows:
        if columns == [""]:
            continue
        if len(columns) not in (2, 4):
            raise ValueError(f"line {number} has {len(columns)} columns, expected 4, or 2: token and tag")
        if text and text[-1] != "\n" and rows[number - rows[0][0] - 1][1] == [""]:
            text.append("\n")
            tags.append(("O", "O"))
        token = _unescape(columns[0])
        try:
            tag = pair(join(*columns[2:]) if len(columns) == 4 else _joint(columns[1]))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        for one, before in zip(tag, tags[-1]):
            if one.startswith("I-") and one[2:] != before[2:]:
                raise ValueError(f"line {number}: {one} goes on with nothing; the tags are to be IOB2")
        if tag[0].startswith("B-") and len(columns) == 4 and columns[1] != NOBODY:
            issuers[len(text)] = _unescape(columns[1])
        inside = (tag[0].replace("B-", "I-"), tag[1].replace("B-", "I-"))
        text += token
        tags += [tag, *[inside] * (len(token) - 1)]
    spans = decode([join(*tag) for tag in tags[1:]])
    marks = [Mark(a, b, label, issuers.get(a) if label == "DIRECTIVE" else None) for a, b, label in spans]
    return shape.make({"id": id_}, "".join(text), marks)


def _joint(tag: str) -> str:
    """The joint tag of a column that may hold the tag of one layer alone."""
    if "|" in tag:
        return tag
    return join("O", tag) if tag[2:] in ENTITY_LABELS else join(tag, "O")


def write(path: Path, reports: Sequence[Report]) -> None:
    """All reports into one file."""
    lines = []
    for report in reports:
        lines.append(f"{START} {_escape(report.id)} -X- O\n\n")
        named = {m.start: _escape(m.issuer) for m in report.marks if m.issuer}
        issuers = {at: r"\x5f" if name == NOBODY else name for at, name in named.items()}
        clauses, entities = layer_tags(report.spans(), len(report.text))
        for i, c in enumerate(report.text):
            lines.append(f"{_escape(c)} {issuers.get(i, NOBODY)} {clauses[i]} {entities[i]}\n" + "\n" * (c == "\n"))
        lines.append("\n")
    path.write_text("".join(lines), encoding="utf-8", newline="")

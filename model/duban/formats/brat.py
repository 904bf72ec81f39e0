"""brat's standoff format: a .txt and an .ann a report, and the annotation.conf that a folder of them needs.

T lines are the spans, R lines link a DIRECTIVE to its issuer; notes (#) and normalisations (N) are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from duban.corpus import Report
from duban.formats import shape
from duban.labels import LABELS

CONFIGURATION = f"""[entities]
{chr(10).join((*LABELS, shape.OF_MEETING))}

[relations]
{shape.ISSUER} Arg1:DIRECTIVE, Arg2:OFFICIAL
<OVERLAP> Arg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:<ANY>

[events]

[attributes]
"""


def records(path: Path) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """(place, (id, text, annotations)) of every .txt and its .ann of a folder."""
    files = sorted(path.glob("*.ann"))
    if not files:
        raise ValueError("no .ann in it; name a folder of .txt and .ann files")
    for file in files:
        with file.with_suffix(".txt").open(encoding="utf-8", newline="") as text:
            yield str(file), (shape.from_stem(file.stem), text.read(), file.read_text(encoding="utf-8"))


def parse(record: tuple[str, str, str]) -> Report:
    """A report."""
    id_, text, annotations = record
    spans: list[tuple[int, int, str]] = []
    at: dict[str, int] = {}
    arcs: list[tuple[int, str, str]] = []
    for number, line in enumerate(annotations.split("\n"), 1):
        try:
            if line.startswith("T"):
                name, place, covered = line.split("\t", 2)
                label, start, end = place.split(" ")  # a discontinuous span has more
                if text[int(start) : int(end)] != covered:
                    raise ValueError(f"covers {text[int(start) : int(end)]!r} in the text, not {covered!r}")
                at[name] = len(spans)
                spans.append((int(start), int(end), label))
            elif line.startswith("R"):
                label, first, second = line.split("\t")[1].split(" ")
                if label == shape.ISSUER:
                    arcs.append((number, first.partition(":")[2], second.partition(":")[2]))
        except (ValueError, IndexError) as error:
            raise ValueError(f"line {number}, {line!r}: {error}") from None
    for number, first, second in arcs:
        if first not in at or second not in at:
            raise ValueError(f"line {number}: links {first} and {second}, which are not both spans")
    links = [(at[first], at[second]) for _, first, second in arcs]
    return shape.make({"id": id_}, text, shape.unlink(text, shape.Linked(spans, links)))


def write(path: Path, reports: Sequence[Report]) -> None:
    """A .txt and an .ann a report into a folder, and its annotation.conf."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "annotation.conf").write_text(CONFIGURATION, encoding="utf-8")
    for report in reports:
        spans, links = shape.link(report)
        lines = [f"T{i}\t{label} {a} {b}\t{report.text[a:b]}\n" for i, (a, b, label) in enumerate(spans, 1)]
        lines += [f"R{i}\t{shape.ISSUER} Arg1:T{a + 1} Arg2:T{b + 1}\t\n" for i, (a, b) in enumerate(links, 1)]
        stem = path / shape.to_stem(report.id)
        for suffix, content in ((".txt", report.text), (".ann", "".join(lines))):
            stem.with_name(stem.name + suffix).write_text(content, encoding="utf-8", newline="")

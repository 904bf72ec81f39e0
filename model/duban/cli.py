"""The command line: `duban extract`, `duban show` and `duban publish`."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from html import escape
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from duban.document import Document
from duban.files import texts
from duban.render import COLOURS, NAMES, printable, to_terminal
from duban.tagger import DEFAULT, Tagger, load

app = typer.Typer(no_args_is_help=True, add_completion=False, help="督办: who ordered what, of whom, to what end.")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
errors = Console(stderr=True, soft_wrap=True, highlight=False)

Model = Annotated[str | None, typer.Option(help="A folder or a Hub id; the model that comes with duban if left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


class Format(str, Enum):
    """What `extract` writes."""

    jsonl = "jsonl"
    csv = "csv"
    html = "html"


def _tagger(model: str | None, device: str, batch_size: int = 16) -> Tagger:
    try:
        return load(model, device=device, batch_size=batch_size)
    except (OSError, ValueError) as error:
        errors.print(f"duban: {error}", style="red", markup=False)
        raise typer.Exit(2) from None


@app.command()
def extract(
    paths: Annotated[
        list[Path], typer.Argument(help=".txt, .jsonl and .html files, folders, or - for standard input.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to write; standard output if left out.")
    ] = None,
    format: Annotated[
        Format, typer.Option(help="A document a line, a directive a row, or a page to read.")
    ] = Format.jsonl,
    model: Model = None,
    device: Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Windows that the model reads at once.", min=1)] = 16,
) -> None:
    """Read reports and write what was ordered. What cannot be read is named, and the rest goes on."""
    complaints: list[str] = []

    def complain(line: str) -> None:
        complaints.append(line)
        errors.print(f"duban: {line}", style="red", markup=False)

    tagger = _tagger(model, device, batch_size)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's
    ids: deque[str] = deque()

    def given() -> Iterator[str]:
        for id_, text in texts(paths, complain, skip=out):
            ids.append(id_)
            yield text

    done = TextColumn("{task.completed:.0f} reports, {task.fields[characters]:,} characters")
    part = None if out is None else out.with_name(out.name + ".part")  # so that -o may name one of the inputs
    try:
        target = sys.stdout if part is None else part.open("w", encoding="utf-8", newline="")
        if out is not None and out.is_dir():
            raise IsADirectoryError(21, "it is a folder")
    except OSError as error:
        errors.print(f"duban: {out}: cannot be written ({error.strerror})", style="red", markup=False)
        raise typer.Exit(2) from None
    with Progress(
        SpinnerColumn(), done, TimeElapsedColumn(), console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        task = progress.add_task("", total=None, characters=0)
        characters = 0
        write = _WRITERS[format](target)
        for document in tagger.stream(given()):
            write(ids.popleft(), document)
            characters += len(document.text)
            progress.update(task, advance=1, characters=characters)
    if out is not None and part is not None:
        target.close()
        part.replace(out)
    if complaints:
        raise typer.Exit(1)


def _jsonl(target: TextIO) -> Callable[[str, Document], None]:
    def write(id_: str, document: Document) -> None:
        record = {"id": id_, **document.to_dict()}
        line = json.dumps(record, ensure_ascii=False)
        if _LONE_SURROGATE.search(line):  # no valid Unicode, so it can only be written escaped
            line = json.dumps(record)
        target.write(line + "\n")
        target.flush()

    return write


def _csv(target: TextIO) -> Callable[[str, Document], None]:
    rows = csv.writer(target, lineterminator="\n")
    rows.writerow(["id", "start", "end", "directive", "issuer", "issuer_posts", "addressee", "targets", "score"])

    def write(id_: str, document: Document) -> None:
        for d in document.directives:
            whom = d.addressee.text if d.addressee else ""
            targets = "；".join(t.text for t in d.targets)
            cells = [id_, d.start, d.end, d.text, d.issuer or "", "、".join(d.issuer_posts), whom, targets, d.score]
            rows.writerow([_cell(cell) if isinstance(cell, str) else cell for cell in cells])
        target.flush()

    return write


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection), and that can be encoded."""
    safe = _LONE_SURROGATE.sub("\ufffd", text)
    return "'" + safe if safe.startswith(("=", "+", "-", "@", "\t", "\r")) else safe


def _html(target: TextIO) -> Callable[[str, Document], None]:
    target.write('<!doctype html><meta charset="utf-8"><title>duban</title>\n')
    target.write('<body style="max-width:50em;margin:auto;line-height:1.8">\n')

    def write(id_: str, document: Document) -> None:
        page = f"<h2>{escape(id_)}</h2>\n{document.to_html()}\n"
        target.write(_LONE_SURROGATE.sub("\ufffd", page))
        target.flush()

    return write


_WRITERS = {Format.jsonl: _jsonl, Format.csv: _csv, Format.html: _html}


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A report, or - for standard input.")],
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Print a report with its spans coloured, and tables of officials, directives and targets."""
    failed: list[str] = []
    given = list(texts([file], failed.append))
    for line in failed:
        errors.print(f"duban: {line}", style="red", markup=False)
    if given:
        tagger = _tagger(model, device)
        for document in tagger.predict([text for _, text in given]):
            _show(document, Console(highlight=False))
    if failed:
        raise typer.Exit(1)


@app.command()
def publish(
    repo: Annotated[str, typer.Argument(help="Where to: ORG/NAME on the Hugging Face Hub.")],
    model: Annotated[
        Path, typer.Option(help="The model's folder; the model that comes with duban if left out.")
    ] = DEFAULT,
    dataset: Annotated[bool, typer.Option("--dataset", help="The annotated corpus instead of a model.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Only for you and your organisation.")] = False,
    revision: Annotated[str | None, typer.Option(help="A branch, made when absent; main if left out.")] = None,
    token: Annotated[str | None, typer.Option(help="HF_TOKEN, or what hf auth login stored, if left out.")] = None,
) -> None:
    """Publish a model or the corpus on the Hugging Face Hub, in one commit, once all of it has been checked."""
    from duban import hub

    try:
        upload = hub.dataset(repo) if dataset else hub.model(repo, model)
        errors.print(f"{len(upload.files)} files, {upload.size() / 1e6:.1f} MB: {', '.join(sorted(upload.files))}")
        print(hub.send(upload, private=private, revision=revision, token=token))
    except hub.PublishError as error:
        errors.print(f"duban: {error}", style="red", markup=False)
        raise typer.Exit(2) from None


def _table(title: str, *columns: str) -> Table:
    """A table whose cells are folded, never cut."""
    return Table(*(Column(name, overflow="fold") for name in columns), title=title)


def _plain(cell: str) -> Text:
    """A cell that rich does not read as its own mark-up."""
    return Text(printable(cell))


def _show(document: Document, console: Console) -> None:
    console.print(to_terminal(document))
    legend = "  ".join(f"[{COLOURS[label]} bold]{NAMES[label]} {label}[/]" for label in COLOURS if label != "DIRECTIVE")
    console.print(f"\n{legend}  [underline]{NAMES['DIRECTIVE']} DIRECTIVE[/]\n")
    officials = _table("Officials", "官员 official", "职务 posts", "次 mentions")
    for o in document.officials:
        officials.add_row(*map(_plain, (o.name, "；".join(o.posts), str(len(o.mentions)))))
    directives = _table("Directives", "issuer", "addressee", "directive", "targets", "score")
    for d in document.directives:
        whom = d.addressee.text if d.addressee else ""
        cells = (d.issuer or "", whom, d.text, "；".join(t.text for t in d.targets), f"{d.score:.2f}")
        directives.add_row(*map(_plain, cells))
    targets = _table("Targets", "target", "in a directive", "score")
    for t in document.targets:
        targets.add_row(*map(_plain, (t.text, "yes" if t.directive else "no", f"{t.score:.2f}")))
    for table in (officials, directives, targets):
        console.print(table)


if __name__ == "__main__":
    app()

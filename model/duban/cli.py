"""The command line: `duban extract`, `show`, `convert`, `publish` and `demo`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from duban import Tagger, __version__, formats, load
from duban.checkpoint import DEFAULT
from duban.document import Document
from duban.extract import ChangedError, Output, Shard, StoppedError, Summary, process, run
from duban.journal import Journal, StandardOutput, beside
from duban.reading import Given, Inputs, stamps
from duban.render import COLOURS, NAMES, printable, to_terminal
from duban.schema import pyarrow
from duban.writing import Format

app = typer.Typer(no_args_is_help=True, add_completion=False, help="督办: who ordered what, of whom, to what end.")
#: So many failures of a run with a side file are told at once; the rest are in the side file alone.
_COMPLAINTS = 10
_KINDS = ", ".join(formats.KINDS)
errors = Console(stderr=True, soft_wrap=True, highlight=False)

Model = Annotated[str | None, typer.Option(help="A folder or a Hub id; the model that comes with duban if left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


def _tagger(model: str | None, device: str) -> Tagger:
    try:
        return load(model, device=device)
    except (OSError, ValueError) as error:
        _complain(str(error))
        raise typer.Exit(2) from None


@app.command()
def extract(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help=".txt and .html files, .jsonl, .csv and .parquet of many reports, .gz of these, folders, or - for "
            "standard input: one report, or JSON Lines.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where to write; standard output if left out.")
    ] = None,
    format: Annotated[
        Format, typer.Option(help="A document a line or a row, a directive a row (csv), or a page to read (html).")
    ] = Format.jsonl,
    text_column: Annotated[str, typer.Option(help="The key or column of the text.")] = "text",
    id_column: Annotated[str, typer.Option(help="The key or column of the id.")] = "id",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first document that fails.")] = False,
    shard_size: Annotated[
        int, typer.Option(help="Documents that are read together, and again after the run was killed.", min=1)
    ] = 256,
    model: Model = None,
    device: Device = "auto",
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens that the model reads at once; what suits the device if left out.", min=1)
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on this Ray cluster; local starts one here.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Workers on the Ray cluster, each with a model.", min=1)] = 2,
) -> None:
    """Read reports and write what was ordered.

    Killed and started again with the same command, it goes on where it was. Documents that fail are listed in
    OUT.failed.jsonl, and the rest goes on.
    """
    inputs = Inputs(paths, text_column=text_column, id_column=id_column, skip=beside(out) if out else ())
    options = {
        "duban": __version__,
        "--format": format.value,
        "--text-column": text_column,
        "--id-column": id_column,
        "--shard-size": shard_size,
        "--model": model,
        "--device": device,
        "--batch-tokens": batch_tokens,
    }
    make = partial(load, model, device=device, batch_tokens=batch_tokens)
    try:
        if format is Format.parquet:
            pyarrow()
        if ray:
            from duban.ray import work

            gpus = int(device.startswith("cuda"))
            done = partial(work, make=make, format=format, address=ray, workers=workers, num_gpus=gpus)
        else:
            done = partial(map, partial(process, make(), format))
        if out is None:
            if format is Format.parquet:
                raise ValueError("Parquet cannot be written to standard output; name a file with -o")
            target: Output = StandardOutput(format)
        else:
            weights = sorted(Path(model).iterdir()) if model and Path(model).is_dir() else []
            journal = target = Journal(out, format, options, stamps([*inputs.files, *weights]))
            if journal.finished:
                _summarise(journal.finished, out)
                return
        with _Progress(inputs, out) as progress:
            summary = run(inputs, done, target, size=shard_size, strict=strict, passed=progress.passed)
    except StoppedError as error:
        _complain(f"{error}\nThe same command goes on from here; without --strict it goes on past it.")
        raise typer.Exit(1) from None
    except OSError as error:
        _complain(f"{out}: cannot be written ({error.strerror})" if error.filename else str(error))
        raise typer.Exit(2) from None
    except (ValueError, ImportError, ChangedError) as error:
        _complain(str(error))
        raise typer.Exit(2) from None
    _summarise(summary, out)


def _summarise(summary: Summary, out: Path | None) -> None:
    """Tell of what failed, in one line, and exit with 1 if anything did."""
    if summary.failed:
        _complain(f"{summary.failed} of {summary.documents} failed{f', see {beside(out)[1]}' if out else ''}")
        raise typer.Exit(1)


class _Progress:
    """What fails, and on a terminal the rate and the time left."""

    def __init__(self, inputs: Inputs, out: Path | None) -> None:
        self._inputs = inputs
        self._complaints = _COMPLAINTS if out else sys.maxsize
        self._documents = self._characters = 0
        self._began = monotonic()
        shown = TextColumn(
            "{task.fields[documents]:,} reports, {task.fields[rate]:.1f}/s, {task.fields[speed]:,.0f} characters/s"
        )
        self._bar = Progress(
            SpinnerColumn(),
            shown,
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=errors,
            transient=True,
            disable=not errors.is_terminal,
        )
        self._task = self._bar.add_task("", total=inputs.size(), documents=0, rate=0.0, speed=0.0)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def passed(self, shard: Shard, failed: tuple[Given, ...]) -> None:
        """Take note of a shard."""
        for given in failed[: self._complaints]:
            _complain(f"{given.place}: {given.failure}")
        self._complaints = max(self._complaints - len(failed), 0)
        self._documents += len(shard.documents)
        self._characters += sum(len(given.text) for given in shard.documents)
        seconds = monotonic() - self._began
        self._bar.update(
            self._task,
            completed=self._inputs.position(),
            documents=self._documents,
            rate=self._documents / seconds,
            speed=self._characters / seconds,
        )


def _complain(line: str) -> None:
    errors.print(f"duban: {line}", style="red", markup=False)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A report, or - for standard input.")],
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Print a report with its spans coloured, and tables of officials, directives and targets."""
    given = list(Inputs([file]))
    failed = [g for g in given if g.failure]
    for g in failed:
        _complain(f"{g.place}: {g.failure}")
    texts = [g.text for g in given if not g.failure]
    if texts:
        for document in _tagger(model, device).predict(texts):
            _show(document, Console(highlight=False))
    if failed:
        raise typer.Exit(1)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A file, or a folder of them (markup, brat, duban).")],
    out: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A file, or a folder (markup, brat).")],
    from_: Annotated[str | None, typer.Option("--from", metavar="KIND", help=f"{_KINDS}; by INPUT's suffix.")] = None,
    to: Annotated[str | None, typer.Option(metavar="KIND", help="The same, by OUTPUT's suffix.")] = None,
    dev: Annotated[
        float | None, typer.Option(help="Share of the reports that become dev; the others become train.", min=0, max=1)
    ] = None,
    news: Annotated[Path | None, typer.Option(help="Folder of the news texts of duban's own corpus.")] = None,
) -> None:
    """Take annotated reports from one tool to another, checked: duban's JSON Lines (.jsonl), inline mark-up (.txt),
    Label Studio (.json), doccano, brat, CoNLL-2003 (.conll), spaCy's DocBin (.spacy). What cannot be kept is named."""
    try:
        kinds = formats.kind_of(source, from_), formats.kind_of(out, to)
        reports = formats.read(source, kinds[0], news)
        if dev is not None:
            reports = formats.divide(reports, dev)
        formats.write(out, kinds[1], reports)
    except (OSError, ValueError) as error:
        _complain(str(error))
        raise typer.Exit(1) from None
    errors.print(f"{len(reports)} reports written to {out}", markup=False)


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
        _complain(str(error))
        raise typer.Exit(2) from None


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where to serve it on this machine.", min=1, max=65535)] = 7860,
    share: Annotated[bool, typer.Option("--share", help="Also under a public address of gradio.live.")] = False,
    model: Model = None,
    device: Device = "auto",
) -> None:
    """Serve a page to try duban on; needs duban[demo]."""
    tagger = _tagger(model, device)
    try:
        from duban.demo import build, launch

        launch(build(tagger), server_port=port, share=share)
    except (ImportError, OSError) as error:
        _complain(str(error))
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

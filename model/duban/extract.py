"""Documents in, their output out, in shards.

A shard is some documents that follow one another. What is made of it depends on these alone, so the output is the same
however often the run was stopped (`duban.journal`), and wherever its shards were read (`duban.ray`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple, Protocol

from duban.document import Document
from duban.reading import Given
from duban.tagger import Tagger
from duban.writing import Format, part

#: A shard is closed at so many characters, whatever its number of documents, so that its memory is bounded.
_CHARACTERS = 1 << 20


class Shard(NamedTuple):
    """Documents that are read and written together."""

    number: int
    documents: tuple[Given, ...]

    def name(self) -> str:
        """Its number, and a checksum of what it was made of."""
        given = "\0".join(chain.from_iterable((g.id, g.text) for g in self.documents))
        return f"{self.number:08d}-{zlib.crc32(given.encode('utf-8', 'surrogatepass')):08x}"


class Done(NamedTuple):
    """A shard that was read: its output, and the documents that failed."""

    shard: Shard
    output: bytes
    failed: tuple[Given, ...]


class Summary(NamedTuple):
    """What a run came to, earlier runs that it went on with included."""

    documents: int
    failed: int


Work = Callable[[Iterator[Shard]], Iterator[Done]]


class Output(Protocol):
    """Where shards go."""

    def has(self, shard: Shard) -> bool:
        """Whether it is in place. Raises ChangedError when in its place is one of other documents."""

    def put(self, done: Done) -> None:
        """Put it in place."""

    def finish(self, documents: int) -> int:
        """Make the output of what is in place; return how many of the documents failed."""


class StoppedError(Exception):
    """A document failed, and the run is strict."""


class ChangedError(Exception):
    """What was started with other options, or of other documents, cannot be gone on with."""


def read(tagger: Tagger, given: Iterable[Given]) -> list[Document | Given]:
    """The Document of each, or where there is none the Given with its `failure`."""
    documents = list(given)
    texts = [g.text for g in documents if not g.failure]
    try:
        found: Iterator[Document | Exception] = iter(tagger.predict(texts))
    except Exception:  # whatever it is, it is one document's, and the others are read without it
        found = (_alone(tagger, text) for text in texts)
    read_: list[Document | Given] = []
    for g in documents:
        document = g if g.failure else next(found)
        if isinstance(document, Exception):
            document = g._replace(failure=f"{type(document).__name__}: {document}")
        read_.append(document)
    return read_


def _alone(tagger: Tagger, text: str) -> Document | Exception:
    try:
        return tagger.predict(text)
    except Exception as error:
        return error


def process(tagger: Tagger, format: Format, shard: Shard) -> Done:
    """Read a shard."""
    found = read(tagger, shard.documents)
    named = [(g.id, d) for g, d in zip(shard.documents, found) if isinstance(d, Document)]
    return Done(shard, part(named, format), tuple(d for d in found if isinstance(d, Given)))


def shards(inputs: Iterable[Given], size: int) -> Iterator[Shard]:
    """The documents in shards of `size`, or fewer where they are long."""
    number, characters, documents = 0, 0, list[Given]()
    for given in inputs:
        documents.append(given)
        characters += len(given.text)
        if len(documents) == size or characters >= _CHARACTERS:
            yield Shard(number, tuple(documents))
            number, characters, documents = number + 1, 0, []
    if documents:
        yield Shard(number, tuple(documents))


def run(
    inputs: Iterable[Given],
    work: Work,
    out: Output,
    *,
    size: int,
    strict: bool = False,
    passed: Callable[[Shard, tuple[Given, ...]], None] = lambda shard, failed: None,
) -> Summary:
    """Read the documents and put their output in place, but for the shards that are there already.

    Args:
        inputs: the documents.
        work: reads shards, in any order.
        out: where the output goes.
        size: the documents of a shard.
        strict: whether to stop at a document that fails.
        passed: called with each shard that has been put in place, and what failed of it.

    Raises:
        StoppedError: if `strict`; what is in place stays.
        ChangedError: when a shard in place was made of other documents.
    """
    documents = 0

    def missing() -> Iterator[Shard]:
        nonlocal documents
        for shard in shards(inputs, size):
            documents += len(shard.documents)
            if not out.has(shard):
                yield shard

    for done in work(missing()):
        if strict and done.failed:
            given = done.failed[0]
            raise StoppedError(f"{given.place}: {given.failure}")
        out.put(done)
        passed(done.shard, done.failed)
    return Summary(documents, out.finish(documents))

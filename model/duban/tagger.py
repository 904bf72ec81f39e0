"""The tagger: texts in, Documents out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import overload

import numpy as np

from duban import names
from duban.attribution import assemble
from duban.decode import Lattice, Line, ScoredSpan, clamp
from duban.document import Document, Span
from duban.labels import PHRASES
from duban.runtime import Runtime
from duban.tokens import Tokens, shares, tokenise, window_of, windows

#: `stream` takes in texts until it has this many characters for each token of a batch.
_AHEAD = 16
#: What a TARGET leaves outside (data/annotations/DECISIONS.md, 36, 37, 91): before it the verb that reaches it, behind
#: it 底线 and 的目标, unless it is named by who set it, as 年初确定的目标.
_HEAD = re.compile(
    "(?:(?:圆满|如期|按时|按期|按质|保质|保量|全面|顺利|超额|提前|高质量|高标准|努力|坚决)*[地的]?"
    "(?:完成(?!率)|实现|达到|确保|做到|力争|争取|守住|夺取|打赢)[和并]?|[把将让])+"
)
_TAIL = re.compile("的?底线$|的$|(?<!确定|制定|下达|提出)的目标$")


class Tagger:
    """A token classifier with its tokenizer. Made by `duban.load`.

    Args:
        runtime: what computes the model.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.tokenizer = runtime.checkpoint.tokenizer
        #: Divides the logits before scores are computed; fitted on the dev split by train.py.
        self.temperature = runtime.checkpoint.temperature
        self.window = window_of(runtime.checkpoint.positions)

    @overload
    def predict(self, texts: str) -> Document: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, texts: Iterable[str]) -> list[Document]: ...
    def predict(self, texts: str | Iterable[str]) -> Document | list[Document]:
        """One text gives a Document; several give a list of them, in the same order and of the same length.

        Texts of any length are read whole, in windows that overlap; an empty text gives an empty Document.

        Raises:
            TypeError: when an item is not a str; it says which.
        """
        if isinstance(texts, str):
            return next(self.stream([texts]))
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str]) -> Iterator[Document]:
        """Documents of any iterable of texts, lazily, in order, in constant memory.

        Raises:
            TypeError: when an item is not a str, once the Documents before it have been given out.
        """
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise TypeError(f"expected an iterable of str, got {type(texts).__name__}; for one text call predict(text)")
        pending: list[str] = []
        size = 0
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                yield from self._documents(pending)
                raise TypeError(f"item {i} is {type(text).__name__} ({text!r:.60}), expected str")
            pending.append(text)
            size += len(text) + 32  # a text costs something even when it is empty
            if size >= _AHEAD * self.runtime.batch_tokens:
                yield from self._documents(pending)
                pending, size = [], 0
        yield from self._documents(pending)

    def _documents(self, texts: list[str]) -> Iterator[Document]:
        tokenised = [tokenise(text, self.tokenizer) for text in texts]
        return self.documents(texts, tokenised, self.logits(tokenised))

    def documents(self, texts: list[str], tokenised: list[Tokens], logits: list[np.ndarray]) -> Iterator[Document]:
        """Documents of texts, their tokens and their logits: (tokens, tags) each, as `logits` gives them."""
        for text, tokens, spans in zip(texts, tokenised, self._decode(tokenised, logits), strict=True):
            found = []
            for span in joined([_cut(span, tokens) for span in spans], tokens):
                start, end = tokens.to_given(span.start, span.end)
                found.append(Span(span.label, start, end, text[start:end], round(span.score, 4)))
            yield assemble(text, found, tokens.normalised)

    def _decode(self, tokenised: list[Tokens], logits: list[np.ndarray]) -> list[list[ScoredSpan]]:
        """The spans of each text, in its tokens; the lines of all texts are decoded together.

        First each line by itself; then again the lines with names on which the mentions in their text have settled.
        """
        ranges = [(i, a, b) for i, tokens in enumerate(tokenised) for a, b in tokens.lines]
        first_line = np.cumsum([0, *(len(tokens.lines) for tokens in tokenised)]).tolist()
        lines = [
            Line(logits[i][a:b], of.edges[a:b], of.closes[a:b], of.inner[a:b])
            for i, a, b in ranges
            for of in [tokenised[i]]
        ]
        lattice = Lattice(lines, self.temperature)
        in_line = [_moved(found, a) for (_, a, _), found in zip(ranges, lattice.decode(), strict=True)]
        spans = [list(chain(*in_line[a:b])) for a, b in zip(first_line, first_line[1:])]

        places = [names.places(tokens, its) for tokens, its in zip(tokenised, spans, strict=True)]
        asked = [(place, first + place.line) for its, first in zip(places, first_line) for place in its]
        chances = iter(
            lattice.probabilities([(k, p.start - ranges[k][1], p.end - ranges[k][1], names.LABEL) for p, k in asked])
        )
        clamped: dict[int, Line] = {}
        scores: dict[tuple[int, int, int], float] = {}
        for i, its in enumerate(places):
            settled = names.settle(its, [next(chances) for _ in its])
            if _same(settled, [span for span in spans[i] if span.label == names.LABEL]):
                continue
            line_of = {(place.start, place.end): first_line[i] + place.line for place in its}
            for mention in settled:
                k = line_of[mention.start, mention.end]
                if k not in clamped:
                    clamped[k] = lines[k]._replace(logits=lines[k].logits.copy())
                clamp(clamped[k].logits, mention.start - ranges[k][1], mention.end - ranges[k][1], names.LABEL)
                scores[i, mention.start, mention.end] = mention.score
        again = Lattice(list(clamped.values()), self.temperature).decode()
        for k, found in zip(clamped, again, strict=True):
            i, a, _ = ranges[k]
            in_line[k] = [
                span._replace(score=scores.get((i, span.start, span.end), span.score))
                if span.label == names.LABEL
                else span
                for span in _moved(found, a)
            ]
        return [list(chain(*in_line[a:b])) for a, b in zip(first_line, first_line[1:])]

    def logits(self, tokenised: list[Tokens]) -> list[np.ndarray]:
        """For each tokenised text its logits (tokens, tags), float32, tags in the order of TAGS.

        Where windows overlap it is the mean of their log-probabilities, by their shares, as far as decoding can tell:
        what is added to all logits of a token changes nothing.
        """
        cut = [windows(len(tokens), tokens.breaks, *self.window) for tokens in tokenised]
        rows = [tokens.ids[w.start : w.end] for tokens, its in zip(tokenised, cut) for w in its]
        read = iter(self.runtime.logits(rows))
        out = [np.zeros((len(tokens), len(self.runtime.checkpoint.columns)), np.float32) for tokens in tokenised]
        for logits, its in zip(out, cut, strict=True):
            for w, share in zip(its, shares(its), strict=True):
                logits[w.start : w.end] += next(read) * share[:, None]
        return out


def _cut(span: ScoredSpan, tokens: Tokens) -> ScoredSpan:
    """A TARGET without what stays outside, as in 坚决守住〔不发生较大事故〕的底线; any other span as it is."""
    if span.label != "TARGET":
        return span
    text, a, b = tokens.normalised.text, int(tokens.starts[span.start]), int(tokens.ends[span.end - 1])
    head, tail = _HEAD.match(text, a, b), _TAIL.search(text, a, b)
    start = bisect_left(tokens.starts, head.end()) if head else span.start
    end = bisect_left(tokens.starts, tail.start()) if tail else span.end
    whole = start < end and not tokens.edges[start] and not tokens.edges[end - 1]
    return span._replace(start=start, end=end) if whole else span


def joined(spans: list[ScoredSpan], tokens: Tokens) -> list[ScoredSpan]:
    """The spans, with those of one label between which a 、 or 和 stands alone made one, as the guidelines have it."""
    text = tokens.normalised.text
    found: list[ScoredSpan] = []
    last: dict[str, int] = {}  # where in `found` the last span of each label is
    for span in spans:
        i = last.get(span.label, -1)
        if span.label in PHRASES and i >= 0:
            between = text[tokens.ends[found[i].end - 1] : tokens.starts[span.start]]
            if between in ("、", "和", "及", "以及"):
                found[i] = found[i]._replace(end=span.end, score=min(found[i].score, span.score))
                continue
        last[span.label] = len(found)
        found.append(span)
    return found


def _moved(spans: list[ScoredSpan], by: int) -> list[ScoredSpan]:
    """Spans of a line as spans of its text, in which the line begins at token `by`."""
    return [ScoredSpan(span.start + by, span.end + by, span.label, span.score) for span in spans]


def _same(settled: list[ScoredSpan], decoded: list[ScoredSpan]) -> bool:
    """Whether the mentions are as decoded already, scores included."""
    return [s[:2] for s in settled] == [d[:2] for d in decoded] and all(
        abs(s.score - d.score) < 1e-9 for s, d in zip(settled, decoded)
    )

"""Spans → who ordered it, of whom, to what end.

The model marks what is said; who says it is told by the text around (`duban.speakers`). Everything is read off the
normalised text, so that traditional characters and glosses make no difference.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from duban.document import Directive, Document, Official, Span, Target
from duban.speakers import Placed, Turn, name, turns
from duban.text import Normalised

_SENTENCE_END = re.compile(r"[。!?\n]")


def assemble(text: str, spans: Sequence[Span], normalised: Normalised) -> Document:
    """A Document of a text and its spans: officials merged, directives attributed, targets placed.

    Args:
        text: the text as given.
        spans: its spans, in its offsets; those of one layer must not overlap.
        normalised: `normalise(text)`.
    """
    spans = sorted(spans, key=lambda s: (s.start, -s.end, s.label))
    placed: dict[str, list[Placed]] = {"OFFICIAL": [], "POST": [], "ADDRESSEE": [], "TARGET": [], "DIRECTIVE": []}
    for span in spans:
        place = normalised.from_given(span.start, span.end)
        if place is not None:
            placed[span.label].append(Placed(*place, span))

    officials = _officials(normalised.text, placed["OFFICIAL"], placed["POST"])
    posts = {mention: official.posts for official in officials for mention in official.mentions}
    clauses, addressees = placed["DIRECTIVE"], placed["ADDRESSEE"]
    said = turns(
        normalised.text, placed["OFFICIAL"], placed["POST"], sorted(clauses + addressees, key=lambda p: p.start)
    )
    issuers = _issuers(said, clauses)

    targets = []
    for t in placed["TARGET"]:
        clause = next((d for d in clauses if d.start < t.end and t.start < d.end), None)
        inside = None if clause is None else (clause.span.start, clause.span.end)
        targets.append(Target(t.span.text, t.span.start, t.span.end, t.span.score, inside))
    directives = []
    for d, issuer in zip(clauses, issuers, strict=True):
        directives.append(
            Directive(
                d.span.text,
                d.span.start,
                d.span.end,
                d.span.score,
                issuer.text if isinstance(issuer, Span) else issuer,
                posts[issuer] if isinstance(issuer, Span) else (),
                _addressee(normalised.text, d, addressees),
                tuple(t for t in targets if t.directive == (d.span.start, d.span.end)),
            )
        )
    return Document(text, tuple(spans), tuple(officials), tuple(directives), tuple(targets))


def _issuers(said: Sequence[Turn], clauses: Sequence[Placed]) -> list[Span | str | None]:
    """Who issues each clause: who has the word there; in a headline, before anybody has it, who says most later."""
    positions = [turn.position for turn in said]
    places = [bisect_right(positions, clause.start) - 1 for clause in clauses]
    told = [said[i].issuer for i in places if i >= 0]
    named = Counter(issuer.text for issuer in told if isinstance(issuer, Span))
    main: Span | str | None = told[0] if told else said[0].issuer if said else None
    if named:
        most = named.most_common(1)[0][0]
        main = next(issuer for issuer in told if name(issuer) == most)
    return [said[i].issuer if i >= 0 else main for i in places]


def _addressee(text: str, directive: Placed, addressees: Sequence[Placed]) -> Span | None:
    """The last addressee named in the directive's sentence at or before it."""
    named = [a for a in addressees if a.start < directive.end]
    if not named or _SENTENCE_END.search(text, named[-1].start, directive.start):
        return None
    return named[-1].span


def _officials(text: str, mentions: Sequence[Placed], posts: Sequence[Placed]) -> list[Official]:
    """One Official a name, in the order of first mention, with the distinct titles that stand beside its mentions."""
    merged: dict[str, tuple[list[Span], list[str]]] = {}
    for i, mention in enumerate(mentions):
        name = re.sub(r"\s", "", text[mention.start : mention.end])
        spans, titles = merged.setdefault(name, ([], []))
        spans.append(mention.span)
        title = _post_before(text, i, mentions, posts) or _post_after(text, i, mentions, posts)
        if title is not None and title.span.text not in titles:
            titles.append(title.span.text)
    return [Official(spans[0].text, tuple(titles), tuple(spans)) for spans, titles in merged.values()]


#: What stands between the names of a list, or between a title and a name.
_LISTED = re.compile(r"(?:同志|[、,\s和及与以])*")


def _post_before(text: str, i: int, mentions: Sequence[Placed], posts: Sequence[Placed]) -> Placed | None:
    """The title before a name, or before the list that the name is part of."""
    while True:
        start = mentions[i].start
        for post in posts:
            if post.end <= start and not text[post.end : start].replace("同志", "").strip():
                return post
        if (
            i == 0
            or not _LISTED.fullmatch(text, mentions[i - 1].end, start)
            or any(p.end == mentions[i - 1].end for p in posts)
        ):
            return None
        i -= 1


def _post_after(text: str, i: int, mentions: Sequence[Placed], posts: Sequence[Placed]) -> Placed | None:
    """The title that follows a name, or the list that the name is part of."""
    while True:
        end = mentions[i].end
        for post in posts:
            if post.start >= end and not text[end : post.start].replace("同志", "").replace("等", "").strip(" ("):
                return post
        if i + 1 == len(mentions) or not _LISTED.fullmatch(text, end, mentions[i + 1].start):
            return None
        i += 1

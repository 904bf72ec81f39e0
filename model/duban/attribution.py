"""Spans → who ordered it, of whom, to what end.

The model marks what is said; who says it is told by the text around (`duban.speakers`). Everything is read off the
normalised text, so that traditional characters and glosses make no difference.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence

from duban.document import Directive, Document, Official, Span, Target
from duban.labels import LABELS, MEETING
from duban.speakers import Placed, Turn, turns
from duban.text import Normalised

_SENTENCE_END = re.compile(r"[。!?\n]")
#: A first line that calls the text a notice or the like: it gives orders itself.
_NOTICE = re.compile(
    r"\A\n*[^\n]{4,60}(?:通知|通告|公告|意见|方案|决定|倡议书|公开信|一封信|办法|要点|命令|纪要)(?:\([^)\n]*\))?(?:\n|$)"
)
#: What may stand between the names of a list, or between a title and its name.
_LISTED = re.compile(r"(?:同志|[、 和及与])*")
_BESIDE = re.compile(r"(?:同志|等| )*")
#: Between neighbours of one list there is at most this much.
_NEAR = 8
_DOUBLE_SURNAMES = frozenset(
    [
        "欧阳",
        "上官",
        "司马",
        "司徒",
        "诸葛",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "夏侯",
        "令狐",
        "呼延",
        "端木",
        "独孤",
        "长孙",
        "宇文",
    ]
)


def assemble(text: str, spans: Sequence[Span], normalised: Normalised) -> Document:
    """A Document of a text and its spans: officials merged, directives attributed, targets placed.

    Args:
        text: the text as given.
        spans: its spans, in its offsets; those of one layer must not overlap.
        normalised: `normalise(text)`.
    """
    spans = sorted(spans, key=lambda s: (s.start, -s.end, s.label))
    placed: dict[str, list[Placed]] = {label: [] for label in LABELS}
    for span in spans:
        place = normalised.from_given(span.start, span.end)
        if place is not None:
            name = re.sub(r"\s", "", normalised.text[slice(*place)])
            placed[span.label].append(Placed(*place, span, name))

    placed["OFFICIAL"] = _in_full(placed["OFFICIAL"])
    officials = _officials(normalised.text, placed["OFFICIAL"], placed["POST"])
    clauses, addressees = placed["DIRECTIVE"], placed["ADDRESSEE"]
    orders = sorted(clauses + addressees, key=lambda p: p.start)
    said = turns(normalised.text, placed["OFFICIAL"], placed["POST"], orders)
    issuers = _issuers(normalised.text, said, clauses)

    ends = [d.end for d in clauses]
    targets, of_clause = [], [[] for _ in clauses]  # type: tuple[list[Target], list[list[Target]]]
    for t in placed["TARGET"]:
        i = bisect_right(ends, t.start)
        inside = i < len(clauses) and clauses[i].start < t.end
        where = (clauses[i].span.start, clauses[i].span.end) if inside else None
        targets.append(Target(t.span.text, t.span.start, t.span.end, t.span.score, where))
        if inside:
            of_clause[i].append(targets[-1])
    directives = []
    for d, issuer, its_targets in zip(clauses, issuers, of_clause, strict=True):
        official = officials.get(issuer or "")
        directives.append(
            Directive(
                d.span.text,
                d.span.start,
                d.span.end,
                d.span.score,
                official.name if official else issuer,
                official.posts if official else (),
                _addressee(normalised.text, d, addressees),
                tuple(its_targets),
            )
        )
    return Document(text, tuple(spans), tuple(officials.values()), tuple(directives), tuple(targets))


def _issuers(text: str, said: Sequence[Turn], clauses: Sequence[Placed]) -> list[str | None]:
    """Who issues each clause: who has the word there; in a headline, before anybody has it, who says most later.

    Where nobody ever has it, it is the document, if that calls itself one.
    """
    positions = [turn.position for turn in said]
    places = [bisect_right(positions, clause.start) - 1 for clause in clauses]
    told = [said[i].issuer for i in places if i >= 0]
    named = Counter(issuer for issuer in told if issuer != MEETING)
    first = told or [turn.issuer for turn in said]
    main = named.most_common(1)[0][0] if named else first[0] if first else MEETING if _NOTICE.search(text) else None
    return [said[i].issuer if i >= 0 else main for i in places]


def _addressee(text: str, directive: Placed, addressees: Sequence[Placed]) -> Span | None:
    """The last addressee named in the directive's sentence at or before it."""
    i = bisect_left(addressees, directive.end, key=lambda a: a.start) - 1
    if i < 0 or _SENTENCE_END.search(text, addressees[i].start, directive.start):
        return None
    return addressees[i].span


def _in_full(mentions: Sequence[Placed]) -> list[Placed]:
    """The mentions, those of a surname alone (侯书记) by the full name where the report has but one that fits."""
    surnames = {m.name for m in mentions if len(m.name) == 1 or m.name in _DOUBLE_SURNAMES}
    names = {m.name for m in mentions} - surnames
    full = {surname: [name for name in names if name.startswith(surname)] for surname in surnames}
    return [m._replace(name=full[m.name][0]) if len(full.get(m.name, ())) == 1 else m for m in mentions]


def _officials(text: str, mentions: Sequence[Placed], posts: Sequence[Placed]) -> dict[str, Official]:
    """By normalised name, in the order of first mention: one Official each, with the titles beside its mentions."""
    titles = _titles(text, mentions, posts)
    merged: dict[str, tuple[list[Placed], list[str]]] = {}
    for mention, title in zip(mentions, titles, strict=True):
        its, its_titles = merged.setdefault(mention.name, ([], []))
        its.append(mention)
        if title is not None and title not in its_titles:
            its_titles.append(title)
    officials = {}
    for name, (its, its_titles) in merged.items():
        first = next(m for m in its if m.end - m.start >= len(name))  # not one of a surname alone
        officials[name] = Official(first.span.text, tuple(its_titles), tuple(m.span for m in its))
    return officials


def _titles(text: str, mentions: Sequence[Placed], posts: Sequence[Placed]) -> list[str | None]:
    """Of each mention the title before it, or before its list; else the one after it, or after its list."""

    def joined(gap: re.Pattern[str], start: int, end: int) -> bool:
        return end - start <= _NEAR and gap.fullmatch(text, start, end) is not None

    ends, starts = [p.end for p in posts], [p.start for p in posts]
    before: list[str | None] = []
    for k, m in enumerate(mentions):
        i = bisect_right(ends, m.start) - 1
        if i >= 0 and joined(_BESIDE, posts[i].end, m.start):
            before.append(posts[i].span.text)
        else:
            listed = k > 0 and joined(_LISTED, mentions[k - 1].end, m.start)
            before.append(before[-1] if listed else None)
    after: list[str | None] = []
    for k in range(len(mentions) - 1, -1, -1):
        m = mentions[k]
        i = bisect_left(starts, m.end)
        if i < len(posts) and joined(_BESIDE, m.end, posts[i].start):
            after.append(posts[i].span.text)
        else:
            listed = k + 1 < len(mentions) and joined(_LISTED, m.end, mentions[k + 1].start)
            after.append(after[-1] if listed else None)
    return [b or a for b, a in zip(before, reversed(after), strict=True)]

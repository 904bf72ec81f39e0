"""Spans → who ordered it, of whom, to what end.

The model marks what is said; who says it is told by the text around: a report gives the word to somebody (孙志强调，…)
and he keeps it until somebody else gets it. `turns` finds those places; a directive belongs to the last one before it.
Everything is read off the normalised text, so that traditional characters and glosses make no difference.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from duban.corpus import MEETING
from duban.document import Directive, Document, Official, Span, Target
from duban.text import Normalised

#: Words that give the word when what is said follows them, verbs first, then nouns that stand after a verb of giving.
_VERB = (
    "强调|指出|要求|提出|表示|认为|明确|希望|号召|叮嘱|嘱咐|嘱托|勉励|鼓励|指示|批示|写道|说道|谈到|说|讲|拍板|提醒|敦促|呼吁|"
    "倡议|坦言|重申|规定|告诫|寄语|交代|建议|决定"
)
_NOUN = "讲话|发言|部署|安排|要求|意见|点评|总结|小结|回信|致信|贺信|贺电|指示|批示"
_SAYS = re.compile(
    rf"(?P<verb>{_VERB})(?=\s*(?:道|说)?(?:[,:“\s]|$|要|必须|务必|应|须|不得|严禁))"
    rf"|(?:作出?了?|提出了?|发表|并|进行|就|对|讲)[^,;:。!?\n]{{0,30}}(?:{_NOUN})(?=[,:。])"
    rf"|[^,;:。!?\n]{{2,30}}(?=:)"
    rf"|(?P<bare>{_VERB})"
)
#: Where such a word is a noun that only names what was said.
_NAMED = re.compile(r"(?:[的新总等及和]|重要|工作|决策|有关|相关|根本|基本|目标|任务|精神|标准|更高|战略|论述|讲话)$")
#: A clause that only refers to what was said before.
_REFERS = re.compile(
    r"^(?:并|要|认真|切实|坚决|全面|深入|始终)*(?:按照|根据|落实|贯彻|对照|遵照|围绕|依照|学习|传达|领会|牢记|结合|针对|听取)"
)
#: Bodies and documents that speak as a meeting does.
_BODY = re.compile(
    r"《[^》\n]{1,60}》|会议|大会|全会|例会|座谈会|推进会|常委会|论坛|峰会|宣言|声明|公报|通知|通报|通告|公告|意见|方案|决定|决议|规划|"
    r"纲要|报告|条例|办法|白皮书|党中央|中央|国务院|[省市县区州盟镇乡局部]委|政府|党组|党委|纪委|办公室|指挥部|委员会|协会|[部厅局]|"
    r"代表们?|委员们?|与会\w{0,6}|大家|使节"
)
_PRONOUN = re.compile(r"[他她](?!们)|总书记|批示|文章|回信|贺信")
#: What follows a name that is only referred to: 习近平总书记关于…的重要论述, 在副县长林鸿陪同下.
_REFERRED = re.compile(
    r"(?:同志)?(?:等|的(?!讲话|带领)|关于|重要(?!讲话强调)|系列|视察|考察.{0,12}讲话|陪同|委托|[对在][^,。]{0,30}(?:精神|论述|指示批示))"
)
_BEFORE_REFERRED = re.compile(
    r"(?:贯彻|学习|落实|按照|根据|受|代表|传达|遵循|牢记|同|与|和|向|领会|以|按|对|见|迎接|任命|免去|陪同的?)了?$"
)
_STOPS = ",;:。!?\n"
_SENTENCE_END = re.compile(r"[。!?\n]")


class Turn(NamedTuple):
    """From `position` of the normalised text on, `issuer` has the word: a mention of an official, or `会议`."""

    position: int
    issuer: Span | str


class _Placed(NamedTuple):
    """A span and where it lies in the normalised text."""

    start: int
    end: int
    span: Span


def _last(text: str, stops: str, end: int) -> int:
    """Where the sentence or clause that holds the position `end` begins."""
    return max(text.rfind(c, 0, end) for c in stops) + 1


def turns(text: str, officials: Sequence[_Placed], posts: Sequence[_Placed], orders: Sequence[_Placed]) -> list[Turn]:
    """Where the text gives the word, and to whom, by rising position.

    Args:
        text: normalised text.
        officials: mentions of officials, sorted by start.
        posts: titles, sorted by start.
        orders: directives and addressees, sorted by start: what is said may follow a verb with nothing between, and
            words inside a directive give the word to nobody.
    """
    starts = {o.start for o in orders}
    inside = {i for o in orders if o.span.label == "DIRECTIVE" for i in range(o.start, o.end)}
    titled = {i for p in [*officials, *posts] for i in range(p.start, p.end)}
    subjects = [_Placed(begin, o.end, o.span) for o in officials if (begin := _subject(text, o, posts)) is not None]
    found: list[Turn] = []
    sentence_turn: tuple[int, Span | str] = (-1, "")
    for said in _SAYS.finditer(text):
        end = said.end()
        word = end - 1
        if (
            word in inside
            or (said["bare"] and end not in starts)
            or _NAMED.search(text, max(0, said.start() - 3), said.start())
        ):
            continue
        clause, sentence = _last(text, _STOPS, word), _last(text, "。!?\n", word)
        if _REFERS.match(text, clause, word):
            continue
        issuer = None
        for start in (clause, sentence) if clause > sentence else (sentence,):
            issuer = _speaker(text, start, end, subjects, titled, found)
            if issuer is not None:
                break
        if issuer is None:
            continue
        before, first = sentence_turn
        if before != sentence:
            sentence_turn = (sentence, issuer)
        elif _name(first) != _name(issuer) and (stop := _SENTENCE_END.search(text, end)):
            # Somebody quotes somebody: after the sentence the word is his again.
            found += [Turn(end, issuer), Turn(stop.end(), first)]
            continue
        found.append(Turn(end, issuer))
    return sorted(found, key=lambda turn: turn.position)


def _name(issuer: Span | str) -> str:
    return issuer.text if isinstance(issuer, Span) else issuer


def _speaker(
    text: str, start: int, end: int, subjects: Sequence[_Placed], titled: set[int], found: Sequence[Turn]
) -> Span | str | None:
    """Who speaks in [start, end): the first named there, be it an official, a pronoun for one, or a body."""
    named = next((s for s in subjects if start <= s.start and s.end <= end), None)
    body = next((b for b in _BODY.finditer(text, start, end) if b.start() not in titled), None)
    pronoun = _PRONOUN.match(text, start) or (_PRONOUN.search(text, start, min(end, start + 6)) if not body else None)
    if pronoun and pronoun.start() not in titled and not (named and named.start < pronoun.start()):
        return _meant(text, start, subjects, found)
    if named and not (body and body.start() < named.start):
        return named.span
    return MEETING if body else None


def _meant(text: str, end: int, subjects: Sequence[_Placed], found: Sequence[Turn]) -> Span | str | None:
    """Whom a pronoun in the sentence that begins at `end` means: the last to begin a sentence or to speak."""
    for s in reversed(subjects):
        if s.end <= end:
            if s.start - _last(text, "。!?\n”", s.start) <= 12:
                return s.span
            turn = next((t for t in reversed(found) if isinstance(t.issuer, Span)), None)
            if turn is not None and turn.position >= s.start:
                return turn.issuer
    return next((t.issuer for t in reversed(found) if isinstance(t.issuer, Span)), None)


def _subject(text: str, official: _Placed, posts: Sequence[_Placed]) -> int | None:
    """Where a mention with its title begins; None when it is not one who can speak but is only referred to."""
    start, end = official.start, official.end
    for post in posts:
        if post.end <= start and not text[post.end : start].strip():
            start = post.start
        if post.start == end:
            end = post.end
    if _REFERRED.match(text, end) or _BEFORE_REFERRED.search(text, max(0, start - 4), start):
        return None
    return start


def assemble(text: str, spans: Sequence[Span], normalised: Normalised) -> Document:
    """A Document of a text and its spans: officials merged, directives attributed, targets placed.

    Args:
        text: the text as given.
        spans: its spans, in its offsets; those of one layer must not overlap.
        normalised: `normalise(text)`.
    """
    spans = sorted(spans, key=lambda s: (s.start, -s.end, s.label))
    placed: dict[str, list[_Placed]] = {"OFFICIAL": [], "POST": [], "ADDRESSEE": [], "TARGET": [], "DIRECTIVE": []}
    for span in spans:
        place = normalised.from_given(span.start, span.end)
        if place is not None:
            placed[span.label].append(_Placed(*place, span))

    officials = _officials(normalised.text, placed["OFFICIAL"], placed["POST"])
    posts = {mention: official.posts for official in officials for mention in official.mentions}
    clauses, addressees = placed["DIRECTIVE"], placed["ADDRESSEE"]
    said = turns(
        normalised.text, placed["OFFICIAL"], placed["POST"], sorted(clauses + addressees, key=lambda p: p.start)
    )
    positions = [turn.position for turn in said]

    targets = []
    for t in placed["TARGET"]:
        clause = next((d for d in clauses if d.start < t.end and t.start < d.end), None)
        inside = None if clause is None else (clause.span.start, clause.span.end)
        targets.append(Target(t.span.text, t.span.start, t.span.end, t.span.score, inside))
    directives = []
    for d in clauses:
        # What stands before anybody has the word is a headline's: it belongs to the first who gets it.
        issuer = said[max(0, bisect_right(positions, d.start) - 1)].issuer if said else None
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


def _addressee(text: str, directive: _Placed, addressees: Sequence[_Placed]) -> Span | None:
    """The last addressee named in the directive's sentence at or before it."""
    named = [a for a in addressees if a.start < directive.end]
    if not named or _SENTENCE_END.search(text, named[-1].start, directive.start):
        return None
    return named[-1].span


def _officials(text: str, mentions: Sequence[_Placed], posts: Sequence[_Placed]) -> list[Official]:
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


def _post_before(text: str, i: int, mentions: Sequence[_Placed], posts: Sequence[_Placed]) -> _Placed | None:
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


def _post_after(text: str, i: int, mentions: Sequence[_Placed], posts: Sequence[_Placed]) -> _Placed | None:
    """The title that follows a name, or the list that the name is part of."""
    while True:
        end = mentions[i].end
        for post in posts:
            if post.start >= end and not text[end : post.start].replace("同志", "").replace("等", "").strip(" ("):
                return post
        if i + 1 == len(mentions) or not _LISTED.fullmatch(text, end, mentions[i + 1].start):
            return None
        i += 1

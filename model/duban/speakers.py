"""Who has the word: where a report hands it to an official or to a meeting.

A report gives the word to somebody (孙志强调，…; 他要求…; 会议指出…) and he keeps it until somebody else gets it. The
places are found by rules over the normalised text, with the officials and titles that the model has marked.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from duban.document import Span
from duban.labels import MEETING

_PLAIN_VERB = (
    "强调|指出|提出|表示|认为|叮嘱|嘱咐|嘱托|勉励|鼓励|写道|说道|谈到|说|拍板|提醒|敦促|呼吁|倡议|坦言|重申|"
    "告诫|寄语|交代|请求|插话|追问|回应|直言|反问|吩咐|(?<![要须应])责成|(?<![邀申聘宴提敬恳])请"
)
_NOUN_VERB = "要求|明确|希望|号召|指示|批示|规定|建议|决定|讲"
_NOUN = "讲话|发言|部署|安排|要求|意见|点评|讲评|总结|小结|回信|致信|贺信|贺电|指示|批示|希望|建议|措施|问题"
#: Where the word may be given: a verb that what is said follows, a noun after a verb of giving, a clause with a colon.
_SAYS = re.compile(
    rf"(?P<verb>{_PLAIN_VERB}|{_NOUN_VERB})(?=\s*(?:道|说)?(?:[,:“\s]|$|要|必须|务必|应|须|不得|严禁|第一|一是|一要))"
    rf"|(?:作出?了?|提出?了?|发表|并|进行|就|对|讲|着重讲)[^,;:。!?\n]{{0,30}}(?:{_NOUN})(?=[,:。])"
    r"|(?:讲[了评]|谈了|补充了)[^,;:。!?\n]{0,12}(?=[,:。])"
    r"|(?:安排|部署|布置)了?[^,;:。!?\n]{0,12}工作(?=[:。]\s*(?:一|1|\(一|首先|第一))|(?:叮嘱|嘱咐|提醒|责成|吩咐)(?=[^,;:。!?\n]{2,30}[,:])"
    r"|(?P<colon>(?!要求|希望|号召)[^,;:。!?\n]{2,30}(?=:))"
    rf"|(?P<bare>{_PLAIN_VERB}|{_NOUN_VERB})"
)
#: Before a word that is noun and verb alike: here it is a noun, and only names what was said.
_NAMED = re.compile(
    r"(?:[的新总等及和]|重要|工作|决策|有关|相关|根本|基本|目标|任务|精神|标准|更高|战略|论述|讲话|"
    r"(?:按照|根据|遵照)[^,;:。!?\n]*)$"
)
#: A clause that only refers to what was said before.
_REFERS = re.compile(
    r"(?:及|以及|并|要|认真|切实|坚决|全面|深入|始终)*(?:按照|根据|落实|贯彻|对照|遵照|围绕|依照|学习|传达|领会|牢记|结合|针对|听取)"
)
#: Bodies and documents that speak as a meeting does.
_BODY = re.compile(
    r"《[^》\n]{1,60}》|会议|大会|全会|例会|座谈会|推进会|常委会|论坛|峰会|宣言|声明|公报|通知|通报|通告|公告|(?<![条点项些])意见|方案|决定|决议|规划|"
    r"纲要|报告|条例|办法|白皮书|倡议书|督察|[督巡检考][察查视导核]组|工作组|党中央|中央|国务院|[省市县区州盟镇乡局部]委|委(?=要求|强调|指出|提出|明确|表示)|政府|党组(?!织)|党委|纪委|办公室|指挥部|委员会|"
    r"协会|[\u4e00-\u9fff]会(?=:|要求|强调|指出|提出|明确|决定|号召)|(?<![干全内外大支])部(?![署分门长队])|[厅局](?!长)|省(?=要求)|"
    r"贺词|社论|(?:代表们?|委员们?|常委们|与会\w{0,6}|大家|使节)(?!的)"
)
#: In such a clause a body is what is talked about or gone to, not who speaks.
_OBJECT = re.compile(
    r"(?:就|对|围绕|针对|关于|向|在|到|来到|深入|察看|查看|听取|召开|主持|由|为|根据|审议|给|让|请|同|和|跟|代表|陪同|组织|动员|引导)[^,;:。!?\n]*$"
)
_PRONOUN = re.compile(
    r"(?:随后|接着|同时|最后|会上|期间|对此|当即|为此|下面)?"
    r"(?:[他她](?!们)|总书记|批示|文章|回信|贺信|我(?=代表|再?[讲提谈]|要求|强调|希望|建议))"
)
#: What follows a name that is only referred to: 习近平总书记关于…的重要论述, 在副县长林鸿陪同下.
_REFERRED = re.compile(
    r"(?:同志)?(?:等|的(?!讲话|讲评|点评|发言|总结|批示|回答|要求|带领|重要文章|署名文章)|关于|重要(?!讲话强调|文章)|系列|视察|考察.{0,12}讲话|陪同|委托"
    r"|[对在](?!主持|总结|讲话|发言|会上|报告中)(?:(?!希望|要求|强调|指出)[^,。]){0,30}(?:精神|论述|指示批示))"
)
_BEFORE_REFERRED = re.compile(
    r"(?:贯彻|学习|落实|按照|根据|受|代表|传达|遵循|牢记|同|与|和|向|领会|以|按|对|见|迎接|任命|免去|陪同的?|叮嘱|嘱咐|"
    r"嘱托|告诉|提醒|责成|吩咐|让|请|问|打给|电话给|带着|拉着|叫来|找来|邀请|听取|听|看望|慰问|走访|会见|缅怀|瞻仰)了?$"
)


#: The head of a speech: its title, its date, who gives it, whom it speaks to.
_SPEECH = re.compile(
    r"\A\n*[^\n]{2,60}(?:讲话|致辞|报告)(?:\([^)\n]{1,12}\))?\n(?:[^。\n]{1,60}\n){1,4}"
    r"[^。\n]{0,20}(?:同志们|代表)[^。\n]{0,12}[:,]"
)
#: Where a document that has told of others begins to speak itself: 现就有关事项通知如下.
_NOTIFIES = re.compile(
    r"(?:现[就将]?|特)[^。;\n]{0,40}(?:(?:通知|通告|公告|倡议|规定|命令)如下|如下(?:通知|通告|公告|倡议|规定|命令))"
)
#: Whom everybody quotes: a pronoun in a local report means its own speaker, not him.
_QUOTED = "习近平"
#: How many clauses of a sentence are looked through for the subject of a verb.
_CLAUSES_BACK = 12


class Placed(NamedTuple):
    """A span, where it lies in the normalised text, and how it reads there without white space."""

    start: int
    end: int
    span: Span
    name: str


class Turn(NamedTuple):
    """From `position` of the normalised text on, `issuer` has the word: an official's normalised name, or `会议`."""

    position: int
    issuer: str


def turns(text: str, officials: Sequence[Placed], posts: Sequence[Placed], orders: Sequence[Placed]) -> list[Turn]:
    """Where the text gives the word, and to whom, by rising position.

    Args:
        text: normalised text.
        officials: mentions of officials, sorted by start.
        posts: titles, sorted by start.
        orders: directives and addressees, sorted by start: what is said may follow a verb with nothing between, and
            words inside a directive give the word to nobody.
    """
    if speech := _SPEECH.search(text):
        own = [o for o in officials if o.start < speech.end()]
        if len(own) == 1:
            return [Turn(0, own[0].name)]  # a speech given whole, its speaker below the title
    starts = {o.start for o in orders}
    ends = {o.end for o in officials}
    inside = {i for o in orders if o.span.label == "DIRECTIVE" for i in range(o.start, o.end)}
    reading = _Reading(text, officials, posts, inside)
    found = [Turn(notice.end(), MEETING) for notice in _NOTIFIES.finditer(text)]
    host: Placed | None = None  # who spoke last in his own right, not quoted
    sentence_turn: tuple[int, str] = (-1, "")
    for said in _SAYS.finditer(text):
        end = said.end()
        told = said["bare"] in ("强调", "指出", "表示", "提出", "认为") and text[end : end + 1] not in ("的", "了")
        told = told and (said.start() in ends or reading.clause(said.start()) == said.start())
        if end - 1 in inside or (said["bare"] and end not in starts and not told):
            continue
        noun_like = (said["verb"] or said["bare"] or "") in _NOUN_VERB.split("|")
        if noun_like and _NAMED.search(text, max(0, said.start() - 12), said.start()):
            continue
        if _REFERS.match(text, reading.clause(end - 1), end - 1):
            continue
        speaker = reading.speaker(end, host, None if said["colon"] else said.start())
        if speaker is None:
            continue
        issuer = speaker.name if isinstance(speaker, Placed) else speaker
        sentence = reading.sentence(end - 1)
        before, first = sentence_turn
        if before == sentence and first != issuer:
            if said["bare"] == "请":
                continue  # 孙志说，会议开得很好，请各乡镇…
            if not (said["verb"] or said["bare"]):
                continue  # 孙志表示，全会作出部署，要…
            # Somebody quotes somebody: after the sentence the word is his again.
            found += [Turn(end, issuer), Turn(reading.sentence_end(end), first)]
            continue
        sentence_turn = (sentence, issuer)
        host = speaker if isinstance(speaker, Placed) else host
        found.append(Turn(end, issuer))
        if (quoted := reading.quoted_before(end)) is not None:
            found.append(Turn(quoted, issuer))
    return sorted(found, key=lambda turn: turn.position)


class _Reading:
    """A normalised text with its clauses, its sentences, and those in it who can speak."""

    def __init__(self, text: str, officials: Sequence[Placed], posts: Sequence[Placed], inside: set[int]) -> None:
        self.text = text
        self.clauses = [0, *(m.end() for m in re.finditer(r"[,;:。!?\n]”?", text))]
        self.sentences = [0, *(m.end() for m in re.finditer(r"[。!?\n]”?", text))]
        self.titled = {i for p in (*officials, *posts) for i in range(p.start, p.end)}
        self.taken = self.titled | inside  # no body speaks there
        self.posts = posts
        self.post_ends = [p.end for p in posts]
        subjects = [(self._begin(official), official) for official in officials]
        self.subjects = [o._replace(start=begin) for begin, o in subjects if begin is not None]
        self.subject_starts = [s.start for s in self.subjects]

    def clause(self, at: int) -> int:
        """Where the clause that holds `at` begins."""
        return self.clauses[bisect_right(self.clauses, at) - 1]

    def sentence(self, at: int) -> int:
        """Where the sentence that holds `at` begins."""
        return self.sentences[bisect_right(self.sentences, at) - 1]

    def sentence_end(self, at: int) -> int:
        """Where the sentence that holds `at` ends."""
        i = bisect_right(self.sentences, at)
        return self.sentences[i] if i < len(self.sentences) else len(self.text)

    def quoted_before(self, at: int) -> int | None:
        """Where the speech begins that the clause which holds `at` closes: “要守住底线。”孙志说."""
        start = self.clause(at - 1)
        if self.text[start - 1 : start] != "”":
            return None
        opening = self.text.rfind("“", 0, start)
        begins = opening == 0 or self.text[opening - 1 : opening] in ("\n", "。", "!", "?", "”", " ")
        return opening if begins and opening >= 0 and "\n" not in self.text[opening:start] else None

    def speaker(self, end: int, host: Placed | None, says: int | None) -> Placed | str | None:
        """Who says what follows `end`: the subject of that clause, or of the nearest before it in the sentence.

        Where there is none it is whom a pronoun would mean. The words that give the word begin at `says`; without them
        something is only stated there, before a colon.
        """
        first, last = bisect_left(self.clauses, self.sentence(end - 1)), bisect_right(self.clauses, end - 1) - 1
        for i in range(last, max(first, last - _CLAUSES_BACK) - 1, -1):
            start = self.clauses[i]
            stop = (end if says is None else says) if i == last else self.clauses[i + 1] - 1
            subject = self._subject(start, stop, host)
            if subject is not None:
                return subject
        if says is not None and end - self.sentence(end - 1) < 16:  # 随后提出五点要求。
            return self._meant(self.sentence(end - 1), host)
        return None

    def _subject(self, start: int, end: int, host: Placed | None) -> Placed | str | None:
        """The first named in the clause [start, end): an official, a pronoun for one, or a body."""
        i = bisect_left(self.subject_starts, start)
        named = self.subjects[i] if i < len(self.subjects) and self.subjects[i].end <= end else None
        pronoun = _PRONOUN.match(self.text, start, end)
        if pronoun and pronoun.end() - 1 not in self.titled:
            if pronoun[0].endswith("总书记") and (general := [s for s in self.subjects if s.name == _QUOTED]):
                return general[0]
            return host if pronoun[0].endswith("我") else self._meant(start, host)
        for body in _BODY.finditer(self.text, start, end + 2):  # the verb behind a body may tell that it is one
            if body.start() >= end or (named and named.start <= body.start()):
                break
            if body.start() not in self.taken and not _OBJECT.search(self.text, start, body.start()):
                return MEETING
        return named

    def _meant(self, end: int, host: Placed | None) -> Placed | None:
        """Whom a pronoun in the sentence that begins at `end` means: the last to begin a sentence, or to speak."""
        for i in range(bisect_left(self.subject_starts, end) - 1, -1, -1):
            s = self.subjects[i]
            if host is not None and s.end <= host.end:
                return host
            begins = s.start - self.clause(s.start) <= 4 or s.start - self.sentence(s.start) <= 12
            if begins and not (host is not None and s.name == _QUOTED != host.name):
                return s
        return host

    def _begin(self, official: Placed) -> int | None:
        """Where a mention with its title begins; None when it is only referred to and cannot be who speaks."""
        start, end = official.start, official.end
        i = bisect_right(self.post_ends, start) - 1
        if i >= 0 and start - self.posts[i].end < 4 and not self.text[self.posts[i].end : start].strip(" "):
            start = self.posts[i].start
        if i + 1 < len(self.posts) and self.posts[i + 1].start == end:
            end = self.posts[i + 1].end
        if _REFERRED.match(self.text, end) or _BEFORE_REFERRED.search(self.text, max(0, start - 4), start):
            return None
        return start

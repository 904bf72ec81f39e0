"""The baseline to beat: a list of surnames, a list of titles and a few patterns, with no training."""

from __future__ import annotations

import re

from duban.attribution import assemble
from duban.document import Document, Span
from duban.text import normalise

_SURNAMES = (
    "王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊"
    "秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤习温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪"
)
_NAME = (
    rf"(?:欧阳|司马|上官|诸葛|[{_SURNAMES}])[\u4e00-\u9fff]{{1,2}}|[\u4e00-\u9fff]{{2,6}}(?:·[\u4e00-\u9fff]{{2,6}})+"
)
_TITLE = (
    "书记|市长|县长|区长|省长|州长|镇长|乡长|主席|主任|局长|厅长|部长|总理|委员长|院长|检察长|校长|董事长|总经理|常委|副市长|副县长|副区长|副省长|"
    "秘书长|总统|首相|议长|会长|组长|政委|司令员|市领导|县领导|区领导|省领导|巡视员|调研员|同志"
)
_POST = re.compile(
    rf"(?P<post>[\u4e00-\u9fff、]{{0,24}}?(?:{_TITLE}))(?P<name>{_NAME})"
    r"(?=[,。、:\s在对就主强指要出表说一率]|同志|$)"
)
_SAYS = re.compile("强调|指出|要求|提出|表示|认为|希望|号召")
_LEAD = re.compile(
    r"^(?:(?P<who>[^,。]{2,20}?)(?=要|必须|应当|应|务必))?(?:[一二三四五六七八九十]要|[一二三四五六七八九十]是要?|要|必须|应当|务必|需要)"
)
_COVERB = re.compile(r"^(?:以.{2,30}为.{1,10}|按照.*|围绕.*|通过.*|针对.*|结合.*|面对.*|在.*[中下上])$")
_REACH = re.compile("(?:确保|力争|实现|做到|完成|夺取|争创|达到)(?P<target>.{2,40})$")


def predict(text: str) -> Document:
    """A Document made by rules; scores are all 1."""
    normalised = normalise(text)
    read = normalised.text
    found: list[tuple[int, int, str]] = []
    names: dict[str, None] = {}  # in the order of the text
    for match in _POST.finditer(read):
        found.append((*match.span("post"), "POST"))
        names[match["name"]] = None
    found += [(m.start(), m.end(), "OFFICIAL") for name in names for m in re.finditer(re.escape(name), read)]
    ordering = False
    for sentence in re.finditer(r"[^。!?\n]+", read):
        chain = False
        for clause in re.finditer(r"[^,;:]+", sentence[0]):
            start, end = sentence.start() + clause.start(), sentence.start() + clause.end()
            said = _SAYS.search(clause[0])
            ordering = ordering or said is not None
            lead = _LEAD.match(clause[0])
            if lead and lead["who"]:
                found.append((start, start + len(lead["who"]), "ADDRESSEE"))
            if lead and ordering:
                start += lead.end()
                chain = True
            if chain and end - start > 3 and not _COVERB.match(read[start:end]):
                found.append((start, end, "DIRECTIVE"))
                if reach := _REACH.search(read, start, end):
                    found.append((*reach.span("target"), "TARGET"))
        ordering = ordering and chain
    return assemble(text, _spans(text, found), normalised)


def _spans(text: str, found: list[tuple[int, int, str]]) -> list[Span]:
    """Spans in the given text, white space stripped, those that overlap an earlier one of their layer left out."""
    normalised = normalise(text)
    spans: list[Span] = []
    for start, end, label in sorted(set(found), key=lambda span: (span[0], -span[1], span[2])):
        while start < end and normalised.text[start] in " 、":
            start += 1
        while start < end and normalised.text[end - 1] in " 、":
            end -= 1
        if start == end:
            continue
        a, b = normalised.to_given(start, end)
        if all(s.end <= a or b <= s.start or (s.label == "DIRECTIVE") != (label == "DIRECTIVE") for s in spans):
            spans.append(Span(label, a, b, text[a:b], 1.0))
    return spans

"""Who has the word, of whom, to what end: from marks to a Document."""

import pytest

from duban.attribution import assemble
from duban.document import Span
from duban.markup import from_markup
from duban.text import normalise


def read(marked):
    text, marks = from_markup(marked)
    spans = [Span(m.label, m.start, m.end, text[m.start : m.end], 1.0) for m in marks]
    return assemble(text, spans, normalise(text)), [m.issuer for m in marks if m.label == "DIRECTIVE"]


@pytest.mark.parametrize(
    "marked",
    [
        "⟦P|县委书记⟧⟦O|孙志⟧强调，要⟪孙志|守住底线⟫。各地要⟪孙志|真抓实干⟫。",
        "⟦P|市长⟧⟦O|赵岚⟧主持会议。会议强调，要⟪会议|守住底线⟫。⟦O|赵岚⟧要求，⟪赵岚|加快进度⟫。",
        "⟦P|市长⟧⟦O|赵岚⟧来到工地，详细了解进度。他强调，要⟪赵岚|守住底线⟫。",
        "⟦O|孙志⟧在会上强调 ⟪孙志|守住底线⟫",
        "⟪孙志|守住安全底线⟫\n⟦P|县委书记⟧⟦O|孙志⟧强调，要⟪孙志|真抓实干⟫。",
        "会议强调，要学习贯彻⟦O|习近平⟧⟦P|总书记⟧重要讲话精神，⟪会议|守住底线⟫。",
        "⟦O|孙志⟧说，⟦O|习近平⟧⟦P|总书记⟧强调，要⟪习近平|守住底线⟫。各地要⟪孙志|牢记嘱托⟫。",
        "在⟦P|副县长⟧⟦O|林鸿⟧陪同下，⟦P|县长⟧⟦O|王海⟧调研项目，要求⟪王海|加快进度⟫。",
        "《通知》要求，⟦A|各地⟧要⟪会议|守住底线⟫。",
        "⟦P|縣委書記⟧⟦O|孫志⟧強(qiáng)調(diào)，要⟪孫志|守住底線⟫。",
        "⟦P|县长⟧⟦O|王海⟧就贯彻会议精神提出三点要求：一要⟪王海|守住底线⟫；二要⟪王海|真抓实干⟫。",
        "要⟪|守住底线⟫。",
        "⟦P|镇长⟧⟦O|陈立⟧说，情况复杂。\n“⟪孙志|不能等⟫，也⟪孙志|不能拖⟫。”⟦P|县委书记⟧⟦O|孙志⟧当场表示，⟪孙志|明天就办⟫。",
        "⟦P|市长⟧⟦O|赵岚⟧汇报。⟦O|孙志⟧走上大堤，详细询问水位，他叮嘱⟪孙志|⟦A|值班人员⟧加密巡查⟫。",
        "⟦P|县长⟧⟦O|王海⟧看了现场，当即叮嘱⟦P|水利局局长⟧⟦O|陈立⟧，⟪王海|今晚就调水泵⟫。",
        "⟦O|孙志⟧说，会议开得很好，请⟪孙志|⟦A|各乡镇⟧抓紧传达⟫。",
        "在全县防汛动员会上的讲话\n⟦P|县委书记⟧　⟦O|孙志⟧\n同志们：\n刚才⟦O|王海⟧同志讲了意见，要⟪孙志|守住底线⟫。",
        "关于做好防汛工作的通知\n各乡镇：\n一、⟪会议|压实责任⟫。",
        "关于做好防汛工作的通知\n⟦P|县长⟧⟦O|王海⟧批示：请⟪王海|⟦A|各乡镇⟧抓紧排查⟫。现就有关事项通知如下：\n一、⟪会议|压实责任⟫。",
        "⟦P|街道党工委书记⟧⟦O|侯运生⟧主持会议。⟦O|侯⟧⟦P|书记⟧要求，⟪侯运生|转变作风⟫。",
        "⟦P|省长⟧⟦O|王海⟧走访农户。他听取⟦O|陈立⟧介绍，指出要⟪王海|加强教育⟫。在镇上，他强调，要⟪王海|守住底线⟫。",
        "⟦P|县长⟧⟦O|王海⟧：大家好。在这里，我代表县指挥部讲三点意见：⟪王海|守住底线⟫。",
        "⟦O|赵岚⟧说，接口要⟪赵岚|开放⟫。⟦P|省长⟧⟦O|王海⟧边听边记，最后讲了五条意见：⟪王海|统一思想⟫。",
        "春训会上的讲话（摘要）\n（录音整理）\n⟦O|赵岚⟧\n（2019年5月8日）\n同志们：\n⟦O|王海⟧说了，我讲几点意见：要⟪赵岚|守住底线⟫。",
        "会上⟦O|胡志斌⟧通报情况。⟦O|孙海燕⟧⟦P|乡长⟧安排了近期防火工作。1.⟪孙海燕|思想要高度重视起来⟫。2.⟪孙海燕|抓好巡山⟫。",
        "⟦P|书记⟧⟦O|柯文⟧主持。⟦O|辜平⟧指出这次寒潮强度大，⟦A|各单位⟧要⟪辜平|立即行动⟫。⟦O|辜平⟧强调的问题要⟪辜平|整改⟫。",
        "国家卫生健康委要求⟪会议|⟦A|各地⟧增开门诊⟫。",
        "⟦O|赵岚⟧说，要⟪赵岚|抓紧⟫。⟦P|副局长⟧⟦O|王海⟧通报了办理情况，指出有的科室推来推去，⟦A|各科⟧要⟪王海|查找原因⟫。",
        "⟦P|局长⟧⟦O|王海⟧指出，成绩来之不易。要求⟦A|各科室、各分局⟧：一、⟪王海|抓学习⟫。",
        "⟦O|赵岚⟧说，要⟪赵岚|抓紧⟫。⟦O|王海⟧在讲话中就贯彻全会精神提出两点要求。一是⟪王海|守住底线⟫。",
        "⟦P|省长⟧⟦O|王海⟧强调，政府系统要按照省委通知要求，⟪王海|掀起学习热潮⟫。",
        "⟦O|王海⟧主持。⟦P|院长⟧⟦O|欧阳平⟧到会。⟦O|欧阳⟧⟦P|院长⟧强调，要⟪欧阳平|守住底线⟫。",
    ],
)
def test_issuers(marked):
    document, issuers = read(marked)
    assert [d.issuer for d in document.directives] == issuers


def test_one_official_a_person():
    document, _ = read("⟦P|县委书记⟧⟦O|孙志⟧主持。⟦P|县领导⟧⟦O|王　海⟧、⟦O|陈立⟧参加。⟦O|孙志⟧强调，⟦O|王海⟧同志负责。")
    assert [(o.name, o.posts, len(o.mentions)) for o in document.officials] == [
        ("孙志", ("县委书记",), 2),
        ("王　海", ("县领导",), 2),
        ("陈立", ("县领导",), 1),
    ]


def test_a_surname_alone_is_a_mention_of_the_one_it_fits():
    document, _ = read(
        "⟦O|侯(hóu)⟧⟦P|書記⟧到场。⟦P|党工委书记⟧⟦O|侯运生⟧来了。⟦O|王⟧⟦P|主任⟧随后，⟦O|王海⟧、⟦O|王立⟧先到。"
    )
    assert [(o.name, o.posts, len(o.mentions)) for o in document.officials] == [
        ("侯运生", ("書記", "党工委书记"), 2),
        ("王", ("主任",), 1),
        ("王海", (), 1),
        ("王立", (), 1),
    ]


def test_a_title_after_the_name():
    document, _ = read("⟦O|习近平⟧⟦P|总书记⟧强调，要⟪习近平|守住底线⟫。")
    assert document.officials[0].posts == ("总书记",)
    assert document.directives[0].issuer_posts == ("总书记",)


def test_addressee_is_the_last_of_the_sentence_at_or_before():
    document, _ = read("⟦A|各地⟧要⟪|守住底线⟫，⟪|⟦A|县级层面⟧列清单⟫，⟪|定时限⟫。要⟪|真抓实干⟫，⟦A|企业⟧要⟪|担责⟫。")
    assert [d.addressee and d.addressee.text for d in document.directives] == [
        "各地",
        "县级层面",
        "县级层面",
        None,
        "企业",
    ]


def test_targets_know_their_directive():
    document, _ = read("要⟪|确保⟦T|零事故⟧⟫。去年定下⟦T|增长8%⟧的目标。到⟦T|2027年，⟪|覆盖率达到90%⟫⟧。")
    assert [t.directive for t in document.targets] == [(1, 6), None, (26, 34)]
    assert [t.text for t in document.directives[0].targets] == ["零事故"]
    assert document.directives[1].targets[0].text == "2027年，覆盖率达到90%"

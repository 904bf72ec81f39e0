"""The library with the model that ships: what a user relies on."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, SAMPLE
from hypothesis import example, given, settings
from strategies import HARD, PIECES

import duban
from duban.checkpoint import DEFAULT
from duban.decode import ScoredSpan
from duban.document import Document
from duban.labels import EDGE_PUNCTUATION, LABELS, LINE_BREAKS, TAGS
from duban.tagger import joined
from duban.text import normalise
from duban.tokens import tokenise

few = settings(max_examples=25, deadline=None)


def plain(document):
    return [(s.label, s.start, s.end) for s in document.spans]


@pytest.fixture(scope="module")
def document(tagger):
    return tagger.predict(SAMPLE)


def test_the_sample_report(document):
    assert {"孙志", "赵岚", "王海", "陈立"} <= {o.name for o in document.officials}
    posts = {o.name: o.posts for o in document.officials}
    assert posts["孙志"] == ("县委书记",)
    assert posts["赵岚"] == ("县委副书记、县长",)
    by_text = {d.text: d for d in document.directives}
    assert by_text["倒排工期、挂图作战"].issuer == "孙志"
    assert by_text["强化要素保障"].issuer == "赵岚"
    assert by_text["强化要素保障"].issuer_posts == ("县委副书记、县长",)
    assert by_text["切实增强紧迫感"].addressee.text == "各乡镇、各部门"
    assert any("满堂红" in t.text for t in document.targets)


def test_every_span_is_a_part_of_the_text(document):
    for s in document.spans:
        assert document.text[s.start : s.end] == s.text
        assert s.label in LABELS
        assert type(s.score) is float
        assert 0 <= s.score <= 1
    assert list(document.spans) == sorted(document.spans, key=lambda s: (s.start, -s.end, s.label))


def test_records_go_through_json_and_back(document):
    record = document.to_dict()
    assert json.loads(json.dumps(record)) == record
    assert Document.from_dict(record) == document


@few
@given(HARD | PIECES)
@example("</P&mp;&nbsp;")
@example("</P强(bi)调")
def test_hard_rules_hold_for_any_text(tagger, text):
    document, whole = tagger.predict(text), normalise(text)
    assert document.text == text
    ends = {"DIRECTIVE": 0, "entity": 0}
    for s in document.spans:
        assert 0 <= s.start < s.end <= len(text)
        assert text[s.start : s.end] == s.text
        read = whole.text[slice(*whole.from_given(s.start, s.end))]  # &mp; is one character, ∓, no punctuation
        for c in (read[0], read[-1]):
            assert c not in EDGE_PUNCTUATION
            assert not c.isspace()
        assert LINE_BREAKS.isdisjoint(s.text)
        layer = s.label if s.label == "DIRECTIVE" else "entity"
        assert s.start >= ends[layer]
        ends[layer] = s.end
    json.dumps(document.to_dict())


def test_batch_equals_singles_in_any_batch_size(tagger, composed):
    texts = ["", *(r.text for r in composed[:6]), " \n", "孙志强调，要守住底线。"]
    singles = [tagger.predict(text) for text in texts]
    for size in (1, 700, 10_000):
        other = duban.load(device="cpu", batch_tokens=size)
        for one, many in zip(singles, other.predict(texts), strict=True):
            assert plain(one) == plain(many)
            assert [s.score for s in one.spans] == pytest.approx([s.score for s in many.spans], abs=2e-3)


def test_windowed_equals_unwindowed_when_the_text_fits(tagger):
    tokens = tokenise(SAMPLE[:240], tagger.tokenizer)
    (whole,) = tagger.runtime.logits([tokens.ids])
    assert np.array_equal(tagger.logits([tokens])[0], whole)


def test_white_space_and_mark_up_before_a_text_only_shift_offsets(tagger):
    base = tagger.predict("\n" + SAMPLE)
    for prefix in ("\n\u3000\u3000", "<br/>\n", "\u200b\n\n"):
        moved = tagger.predict(prefix + "\n" + SAMPLE)
        assert plain(moved) == [(label, a + len(prefix), b + len(prefix)) for label, a, b in plain(base)]


def test_a_report_reads_the_same_behind_another(tagger, composed):
    """Far behind a report that fills windows of its own, the spans are where they are without it."""
    before = "\n".join(r.text for r in composed[:2]) + "\n"
    alone = {(s.label, s.start + len(before), s.end + len(before)) for s in tagger.predict(SAMPLE).spans}
    behind = {(s.label, s.start, s.end) for s in tagger.predict(before + SAMPLE).spans if s.start >= len(before)}
    assert len(alone & behind) >= 0.9 * max(len(alone), len(behind))


def test_a_long_speech_is_read_to_its_end(tagger):
    text = SAMPLE * (8000 // len(SAMPLE) + 1)
    document = tagger.predict(text)
    assert max(s.end for s in document.spans) > len(text) - 120
    names = [s.start for s in document.spans if s.text == "阿依古丽·买买提"]
    assert len(names) >= 0.9 * text.count("阿依古丽·买买提")


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u3000\u200b", "\x00"])
def test_nothing_gives_an_empty_document(tagger, text):
    assert tagger.predict(text) == Document(text)


def test_distorted_text_keeps_its_own_offsets(tagger):
    text = "縣委書記趙建國強(qiáng)調(diào),各鄉(xiāng)鎮(zhèn)要把項(xiàng)目建設(shè)抓在手上。"
    document = tagger.predict(text)
    (order,) = document.directives
    assert order.text == "把項(xiàng)目建設(shè)抓在手上"
    assert order.issuer == "趙建國"
    assert order.addressee.text == "各鄉(xiāng)鎮(zhèn)"


def test_stream_is_lazy_and_in_order(tagger):
    taken = []

    def texts():
        for i in range(1000):
            taken.append(i)
            yield f"县长王海强调，要抓好第{i}项工作。" * 20

    stream = tagger.stream(texts())
    assert [next(stream).text[10:12] for _ in range(3)] == ["第0", "第1", "第2"]
    assert len(taken) < 500


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (["a", 3], "item 1 is int"),
        ([None], "item 0 is NoneType"),
        (b"abc", "got bytes"),
        (7, "got int"),
        ([["a"]], "item 0 is list"),
    ],
)
def test_what_is_no_text_is_named(tagger, wrong, why):
    with pytest.raises(TypeError, match=why):
        tagger.predict(wrong)


def test_type_tells_one_from_many(tagger):
    assert isinstance(tagger.predict("会议强调"), Document)
    assert [d.text for d in tagger.predict(["会议强调"])] == ["会议强调"]
    assert tagger.predict([]) == []


def test_html_is_escaped(tagger):
    text = '县长王海强调，要<script>alert("x")</script>抓好"安全"生产 & 防汛。'
    html = tagger.predict(text).to_html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "王海" in html
    assert tagger.predict(text)._repr_html_() == html


def test_transformers_alone_loads_the_model():
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    model = AutoModelForTokenClassification.from_pretrained(DEFAULT)
    assert type(model).__name__ == "BertForTokenClassification"
    assert set(model.config.id2label.values()) == set(TAGS)
    assert AutoTokenizer.from_pretrained(DEFAULT)("会议")["input_ids"]
    files = {p.suffix for p in DEFAULT.rglob("*") if p.is_file()}
    assert files - {".onnx"} == {".json", ".safetensors"}


def test_a_model_with_other_labels_is_refused(tiny_bert, tmp_path):
    with pytest.raises(ValueError, match="has no labels; duban reads models trained"):
        duban.load(tiny_bert)
    for path in DEFAULT.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace("OFFICIAL", "PER"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"has the labels O, O\|B-PER"):
        duban.load(tmp_path)


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(OSError, match=r"no model at .*nowhere"):
        duban.load(tmp_path / "nowhere")


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((DEFAULT / name).read_bytes())
    with pytest.raises(OSError, match="tokenizer"):
        duban.load(tmp_path, device="cpu")


def test_broken_weights_are_named(tmp_path):
    for path in DEFAULT.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(OSError, match=r"no model at .* expected a folder or Hub id"):
        duban.load(tmp_path, device="cpu")


def test_a_run_of_punctuation_costs_no_score(tagger):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = tagger.predict("县委书记孙志强调，各乡镇要守住底线" + "！" * 500 + "，" * 500)
    assert document.directives[0].text == "守住底线"


@pytest.mark.parametrize(
    ("order", "target"),
    [
        ("守住不发生规模性返贫的底线", "不发生规模性返贫"),
        ("守住不发生规模性返贫底線", "不发生规模性返贫"),
        ("守住不发生规模性返贫的目标", "不发生规模性返贫"),
        ("确保按时保质完成年度检查任务", "年度检查任务"),
        ("落实年初确定的目标任务", "年初确定的目标任务"),
        ("确保全面完成和超额完成今年的各项目标任务", "今年的各项目标任务"),
    ],
)
def test_a_target_is_the_end_without_what_reaches_it(tagger, order, target):
    document = tagger.predict(f"县长王海强调，各乡镇要{order}，抓好春耕生产。")
    assert [t.text for t in document.targets] == [target]


def test_a_list_of_one_kind_is_one_span(tagger):
    """The model may see two spans where the guidelines have one, as in 临安、建德等3个区、县."""
    text = "临安、建德、淳安等3个区、县要守住底线，王海、陈立出席。"
    tokens = tokenise(text, tagger.tokenizer)
    spans = [ScoredSpan(*s) for s in ((0, 2, "ADDRESSEE", 0.9), (3, 14, "ADDRESSEE", 0.5), (20, 22, "OFFICIAL", 1.0))]
    spans.append(ScoredSpan(23, 25, "OFFICIAL", 1.0))
    assert joined(spans, tokens) == [ScoredSpan(0, 14, "ADDRESSEE", 0.5), *spans[2:]]


def test_special_tokens_in_a_text_are_text(tagger):
    text = "［ＳＥＰ］县长王海强调，要[CLS]守住底线。"
    document = tagger.predict(text)
    assert len(tokenise(text, tagger.tokenizer)) == len(text)
    assert [o.name for o in document.officials] == ["王海"]


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:x", "cpu:1"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ValueError, match=f"{device}"):
        duban.load(device=device)


def test_import_and_predict_print_nothing_and_import_opens_no_connection():
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise OSError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        "import logging, duban\n"
        "assert not logging.getLogger().handlers\n"
        "duban.predict('孙志强调，要守住底线。')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == done.stderr == ""

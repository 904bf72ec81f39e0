"""Annotated reports come back from every format as they were, and are read from files that the tools wrote."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import ROOT
from hypothesis import given, settings
from strategies import reports
from typer.testing import CliRunner

from duban import formats
from duban.cli import app
from duban.corpus import AnnotationError, Report
from duban.formats.shape import UNKNOWN
from duban.markup import from_markup

DATA = ROOT / "tests" / "data"
KINDS = sorted(formats.KINDS)


def report(id_, marked):
    text, marks = from_markup(marked)
    return Report(id_, "composed", text, "2024-01-01", "meeting", "train", "a", "b", tuple(marks))


#: Characters that JavaScript counts as two, and lines that end as on Windows.
ASTRAL = report(
    "astral", "𠮷水县县委书记⟦O|𠮷海⟧强调：\n😀⟦A|各乡镇⟧要⟪𠮷海|守住⟦T|零事故⟧底线⟫，会议要求⟪会议|抓好春耕⟫。"
)
CRLF = report(
    "crlf",
    "⟦P|县委书记⟧⟦O|孙志⟧强调：\r\n\r\n⟦A|各乡镇⟧要⟪孙志|守住⟦T|零事故⟧底线⟫，\r\n会议要求⟪会议|抓好春耕⟫。",
)


def round_trip(kind, given):
    with TemporaryDirectory() as folder:
        formats.write(Path(folder) / "x", kind, given)
        return {r.id: r for r in formats.read(Path(folder) / "x", kind)}


def kept(kind, given):
    """What a format keeps of reports."""
    return {r.id: replace(r, **UNKNOWN) if kind in formats.BARE else r for r in given}


@pytest.mark.parametrize("kind", KINDS)
def test_the_composed_reports_come_back(kind, composed):
    assert round_trip(kind, composed) == kept(kind, composed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30)
@given(given=reports())
def test_any_report_comes_back(kind, given):
    assert round_trip(kind, [given]) == kept(kind, [given])


def test_label_studio_wrote_it():
    assert formats.read(DATA / "labelstudio.json", "labelstudio") == [ASTRAL, CRLF]


def test_doccano_wrote_it():
    assert formats.read(DATA / "doccano.jsonl", "doccano") == [ASTRAL, CRLF]


def test_doccano_wrote_it_in_a_project_without_relations():
    for found, whole in zip(formats.read(DATA / "doccano_plain.jsonl", "doccano"), (ASTRAL, CRLF), strict=True):
        assert (found.id, found.text, found.spans()) == (whole.id, whole.text, whole.spans())
        assert {m.issuer for m in found.marks} == {None, "会议"}


def test_doccano_counts_utf_16_as_its_page_does(tmp_path):
    formats.write(tmp_path / "x", "doccano", [ASTRAL])
    row = json.loads((tmp_path / "x").read_text(encoding="utf-8"))
    units = row["text"].encode("utf-16-le")
    assert [units[2 * e["start_offset"] : 2 * e["end_offset"]].decode("utf-16-le") for e in row["entities"]] == [
        ASTRAL.text[m.start : m.end] for m in ASTRAL.marks
    ]


def test_spacy_reads_our_columns_and_learns_from_our_docs(tmp_path):
    import spacy
    from spacy.tokens import DocBin
    from spacy.training.converters import conll_ner_to_docs

    formats.write(tmp_path / "x.conll", "conll2003", [CRLF])
    docs = list(conll_ner_to_docs((tmp_path / "x.conll").read_text(encoding="utf-8"), no_print=True))
    found = [(e.text.replace(" ", ""), e.label_) for doc in docs for e in doc.ents]
    entities = [m for m in CRLF.marks if m.label != "DIRECTIVE"]
    assert found == [(CRLF.text[m.start : m.end], m.label) for m in entities]
    formats.write(tmp_path / "x.spacy", "docbin", [CRLF])
    (doc,) = DocBin().from_disk(tmp_path / "x.spacy").get_docs(spacy.blank("zh").vocab)
    assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["sc"]] == CRLF.spans()


def test_a_doc_of_words_and_entities_is_read(tmp_path):
    from spacy.tokens import Doc, DocBin, Span
    from spacy.vocab import Vocab

    doc = Doc(Vocab(), words=["县长", "王海", "强调"], spaces=[False] * 3)
    doc.ents = [Span(doc, 1, 2, "OFFICIAL")]
    DocBin(docs=[doc]).to_disk(tmp_path / "own.spacy")
    (found,) = formats.read(tmp_path / "own.spacy", "docbin")
    assert (found.id, found.text, found.spans()) == ("own-1", "县长王海强调", [(2, 4, "OFFICIAL")])


def test_two_columns_of_words_are_read(tmp_path):
    (tmp_path / "own.conll").write_text(
        "县长\tB-POST\n王海\tB-OFFICIAL\n强调\tO\n\n各地\tB-ADDRESSEE\n", encoding="utf-8"
    )
    (found,) = formats.read(tmp_path / "own.conll", "conll2003")
    assert found.text == "县长王海强调\n各地"
    assert found.spans() == [(0, 2, "POST"), (2, 4, "OFFICIAL"), (7, 9, "ADDRESSEE")]


def test_lines_that_other_users_of_brat_write_are_passed_over(tmp_path):
    (tmp_path / "a.txt").write_text("县长王海说，要守住底线。", encoding="utf-8")
    (tmp_path / "a.ann").write_text(
        "T1\tOFFICIAL 2 4\t王海\nT2\tDIRECTIVE 7 11\t守住底线\nR1\tissuer Arg1:T2 Arg2:T1\t\n"
        "#1\tAnnotatorNotes T2\t存疑\nA1\tNegation T2\nN1\tReference T1 Wikipedia:1\t王海\n*\tEquiv T1 T1\n",
        encoding="utf-8",
    )
    (found,) = formats.read(tmp_path, "brat")
    assert [(m.start, m.end, m.label, m.issuer) for m in found.marks] == [
        (2, 4, "OFFICIAL", None),
        (7, 11, "DIRECTIVE", "王海"),
    ]


def studio(**changes):
    value = {"start": 0, "end": 2, "labels": ["POST"], **changes}
    return json.dumps([{"id": 7, "data": {"text": "县长王海"}, "annotations": [{"result": [
        {"id": "s", "type": "labels", "value": value}]}]}])  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("labelstudio", studio(labels=["PERSON"]), r"x: task 1: .*unknown label 'PERSON'"),
        ("labelstudio", studio(end=9), r"x: task 1 \(7\): POST \[0, 9\): .*outside of the text of 4"),
        ("labelstudio", studio(start="/div[1]/text()[1]"), "x: task 1: a span reaches from '/div"),
        ("labelstudio", '[{"id": 1, "text": "县长", "label": []}]', "task 1 lacks its annotations; export as JSON"),
        ("labelstudio", "县长", "x: .*Expecting value"),
        ("doccano", '{"id": 1, "text": "县长"}\n', "x:1: lacks 'label'"),
        ("doccano", '\n{"id": 1, "text": "😀县长", "label": [[1, 3, "POST"]]}', "x:2: offset 1 is inside a character"),
        ("conll2003", "县 O\n长 O O\n", "x:1: line 2 has 3 columns"),
        ("conll2003", "县 O\n长 I-POST\n", "x:1: line 2: I-POST goes on with nothing"),
        ("conll2003", "县 B-PERSON\n", "x:1: line 1: unknown tag"),
        ("markup", "# kind: party\n\n⟦P|县长⟧", r"x \(x\): kind is 'party'"),
        ("markup", "⟦P|县长", "x: line 1, column 1: ⟦ never closes"),
        ("docbin", "县长", "x: not a DocBin"),
        ("brat", "县长", "x: no .ann in it"),
        ("excel", "县长", "one of duban, markup, "),
    ],
)
def test_errors_name_file_place_and_id(tmp_path, kind, content, why):
    (tmp_path / "x").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=why):
        formats.read(tmp_path / "x", formats.kind_of(tmp_path / "x", kind))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("T1\tPOST 0 1;2 3\t县王", "line 1"),
        ("T1\tPOST 0 2\t县委", "covers '县长' in the text, not '县委'"),
        ("T1\tPOST 0 2\t县长\nR1\tissuer Arg1:T1 Arg2:T1\t", r"an issuer is linked from a DIRECTIVE to an OFFICIAL"),
        ("R1\tissuer Arg1:T1 Arg2:T2\t", "line 1: links T1 and T2"),
    ],
)
def test_errors_name_the_line_of_brat(tmp_path, line, why):
    (tmp_path / "a.txt").write_text("县长王海", encoding="utf-8")
    (tmp_path / "a.ann").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match=rf"a\.ann.*{why}"):
        formats.read(tmp_path, "brat")


def test_convert_says_what_is_lost_and_divides(tmp_path, composed, caplog):
    formats.write(tmp_path / "in.json", "labelstudio", composed[:10])
    run = CliRunner().invoke(app, ["convert", str(tmp_path / "in.json"), str(tmp_path / "o.jsonl"), "--dev", "0.3"])
    assert run.exit_code == 0, run.output
    divided = formats.read(tmp_path / "o.jsonl", "duban")
    assert sorted(r.split for r in divided) == ["dev"] * 3 + ["train"] * 7
    with caplog.at_level(logging.WARNING):
        CliRunner().invoke(app, ["convert", str(tmp_path / "o.jsonl"), str(tmp_path / "o.conll")])
    assert len(caplog.messages) == 1
    assert "date (10)" in caplog.messages[0]


def test_convert_names_every_wrong_report_and_writes_nothing(tmp_path):
    tasks = json.loads(studio(end=9)) + json.loads(studio(labels=["PERSON"]))
    (tmp_path / "in.json").write_text(json.dumps(tasks), encoding="utf-8")
    run = CliRunner().invoke(app, ["convert", str(tmp_path / "in.json"), str(tmp_path / "out.jsonl")])
    assert run.exit_code == 1
    assert "task 1 (7)" in run.output
    assert "task 2" in run.output
    assert not (tmp_path / "out.jsonl").exists()

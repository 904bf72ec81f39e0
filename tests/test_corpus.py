import json
import logging

import pytest
from conftest import ROOT
from hypothesis import given
from strategies import marked

from duban import corpus
from duban.corpus import AnnotationError, Report, checksum, load, problems, save, to_dataset
from duban.markup import Mark

TEXT = "县委书记孙志强调，要守住底线。"
GOOD = {
    "id": "a", "source": "composed", "sha256": checksum(TEXT), "text": TEXT, "date": "2024-01-01", "kind": "meeting",
    "split": "train", "annotator": "x", "reviewer": "y",
    "spans": [{"start": 4, "end": 6, "label": "OFFICIAL", "issuer": None},
              {"start": 10, "end": 14, "label": "DIRECTIVE", "issuer": "孙志"}],
}  # fmt: skip


def write(folder, *records):
    (folder / "r.jsonl").write_text(
        "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8"
    )
    return folder


def span(start, end, label, issuer=None):
    return {**GOOD, "spans": [*GOOD["spans"], {"start": start, "end": end, "label": label, "issuer": issuer}]}


def test_what_is_saved_is_loaded(tmp_path, composed):
    save(tmp_path / "x.jsonl", composed)
    assert load(tmp_path) == composed


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (span(5, 8, "POST"), "overlaps a span of its own layer"),
        (span(8, 10, "TARGET"), "begins with '，'"),
        (span(13, 15, "TARGET"), "ends with '。'"),
        (span(12, 99, "TARGET"), "outside of the text of 15 characters"),
        (span(12, 13, "PERSON"), "unknown label"),
        (span(13, 14, "TARGET", "孙志"), "only a DIRECTIVE has an issuer"),
        (span(0, 4, "DIRECTIVE", "王海"), "neither 会议 nor an OFFICIAL"),
        (span(9, 12, "ADDRESSEE"), "crosses the edge of DIRECTIVE"),
        ({**GOOD, "text": TEXT + "！"}, "does not match its checksum"),
        ({**GOOD, "kind": "party"}, "kind is 'party'"),
        ({**GOOD, "split": "all"}, "split is 'all'"),
        ({k: v for k, v in GOOD.items() if k != "date"}, "lacks date"),
        ({**GOOD, "spans": [{"start": 1}]}, "a span is an object with"),
        (span("4", 6, "POST"), "a span is an object with"),
        ({**GOOD, "text": None}, "text is None"),
        ({**GOOD, "id": ["b"]}, "id is .*expected a string"),
        ({**GOOD, "date": "yesterday"}, "date is 'yesterday'"),
    ],
)
def test_errors_name_file_and_line(tmp_path, record, why):
    write(tmp_path, {**GOOD, "id": "b"}, record)
    with pytest.raises(AnnotationError, match=f"r.jsonl:2.*{why}"):
        load(tmp_path)


def test_an_id_that_comes_twice(tmp_path):
    with pytest.raises(AnnotationError, match=r"r.jsonl:2 \(a\): this id comes twice"):
        load(write(tmp_path, GOOD, GOOD))


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(FileNotFoundError, match="name the folder"):
        load(tmp_path)


def test_a_span_never_crosses_a_line_break():
    assert any("line break" in p for p in problems("甲\n乙", [Mark(0, 3, "DIRECTIVE")]))


def test_news_is_joined_by_id_and_left_out_with_one_line(tmp_path, caplog):
    news = tmp_path / "news"
    news.mkdir()
    (news / "n.jsonl").write_text(json.dumps({"id": "n1", "title": "标题", "text": "正文"}) + "\n", encoding="utf-8")
    text = "标题\n正文"
    record = {**GOOD, "id": "n1", "source": "paper", "text": None, "sha256": checksum(text), "spans": []}
    write(tmp_path, GOOD, record)
    assert [r.text for r in load(tmp_path, news)] == [TEXT, text]
    with caplog.at_level(logging.WARNING):
        assert [r.id for r in load(tmp_path, tmp_path / "nowhere")] == ["a"]
    assert len(caplog.messages) == 1
    assert "1 of 2" in caplog.messages[0]


def test_news_of_the_repository_carries_no_text():
    for line in (ROOT / "data" / "annotations" / "news.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)["text"] is None


def test_splits_are_by_date_for_news_and_every_split_has_every_kind(composed):
    rows = [json.loads(x) for x in (ROOT / "data/annotations/news.jsonl").read_text(encoding="utf-8").splitlines()]
    ids = {split: sorted(r["id"] for r in rows if r["split"] == split) for split in corpus.SPLITS}
    assert ids["train"][-1] < ids["dev"][0] <= ids["dev"][-1] < ids["test"][0]
    for split in corpus.SPLITS:
        assert {r["kind"] for r in rows if r["split"] == split} == set(corpus.KINDS)
        assert {r.kind for r in composed if r.split == split} == set(corpus.KINDS)
    assert len(rows) >= 40
    assert len(composed) >= 60
    assert sum(r.kind == "other" for r in composed) >= 10


def test_it_yields_a_dataset(composed):
    dataset = to_dataset(composed[:3])
    assert dataset.num_rows == 3
    assert dataset[0]["marks"][0].keys() == {"start", "end", "label", "issuer"}


@given(marked())
def test_checks_find_every_broken_edge(case):
    text, marks = case
    broken = any(
        m.start == m.end
        or text[m.start].isspace()
        or text[m.end - 1].isspace()
        or "，" in (text[m.start], text[m.end - 1])
        for m in marks
    )
    if broken:
        assert list(problems(text, marks))


def test_report_keeps_composed_text_only():
    report = Report("n", "paper", TEXT, "2024-01-01", "meeting", "test", "x", "y", ())
    assert report.to_record()["text"] is None
    assert report.to_record()["sha256"] == checksum(TEXT)

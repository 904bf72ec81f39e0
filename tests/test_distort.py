import random

from hypothesis import given
from hypothesis import strategies as st
from strategies import marked

from duban.corpus import problems
from duban.distort import distort, names_of, places_of, relocate, rename
from duban.text import normalise


@given(marked(), st.integers(0, 2**32))
def test_marks_move_with_the_text(case, seed):
    text, marks = case
    distorted, moved = distort(text, marks, random.Random(seed))
    assert len(moved) == len(marks)
    assert all(0 <= m.start < m.end <= len(distorted) for m in moved)
    assert [m.label for m in moved] == [m.label for m in marks]


def test_composed_reports_stay_valid_and_mostly_read_the_same(composed):
    rng = random.Random(1)
    same = 0
    for report in composed:
        text, marks = distort(report.text, report.marks, rng)
        assert list(problems(text, marks)) == []
        read = normalise(text)
        for mark in marks:  # spans come back in the offsets of the distorted text
            place = read.from_given(mark.start, mark.end)
            assert place is not None
            assert read.to_given(*place) == (mark.start, mark.end)
        same += read.text == normalise(report.text).text
    assert same > len(composed) / 3  # what is not lost is undone


def test_the_same_seed_gives_the_same_copy(composed):
    report = composed[0]
    assert distort(report.text, report.marks, random.Random(7)) == distort(report.text, report.marks, random.Random(7))


@given(marked(), st.integers(0, 2**32))
def test_renaming_moves_marks_with_the_text(case, seed):
    text, marks = case
    marks = [m for m in marks if m.start < m.end]
    renamed, moved = rename(text, marks, ["王海", "欧阳文山"], random.Random(seed))
    officials = [m for m in marks if m.label == "OFFICIAL"]
    for old, new in zip(marks, moved, strict=True):
        if not any(m.start < old.end and old.start < m.end for m in officials):
            assert renamed[new.start : new.end] == text[old.start : old.end]


def test_officials_bear_other_names_throughout(composed):
    names = names_of((r.text, r.marks) for r in composed)
    report = max(composed, key=lambda r: len(r.marks))
    text, marks = rename(report.text, report.marks, names, random.Random(3))
    old = [report.text[m.start : m.end] for m in report.marks if m.label == "OFFICIAL"]
    new = [text[m.start : m.end] for m in marks if m.label == "OFFICIAL"]
    assert old != new
    assert len(set(zip(old, new))) == len(set(old))  # one person, one name
    assert list(problems(text, marks)) == []


def test_places_are_called_otherwise_throughout(composed):
    places = places_of(r.text for r in composed)
    assert len(places) > 30
    for report in composed[:40]:
        text, marks = relocate(report.text, report.marks, places, random.Random(4))
        assert list(problems(text, marks)) == []
        assert [m.label for m in marks] == [m.label for m in report.marks]
    text = "本报讯，清河县委书记王海到清河县城关镇调研。王海要求，清河县要守住底线。"
    assert places_of([text]) == ["清河"]
    assert relocate(text, [], ["澜州湾"], random.Random(0))[0] == text.replace("清河", "澜州湾")

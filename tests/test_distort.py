import random

from hypothesis import given
from hypothesis import strategies as st
from strategies import marked

from duban.corpus import problems
from duban.distort import distort
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

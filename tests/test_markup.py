import pytest
from hypothesis import given
from strategies import marked

from duban.markup import Mark, from_markup, to_markup


@given(marked())
def test_round_trip_loses_nothing(case):
    text, marks = case
    assert from_markup(to_markup(text, marks)) == (text, marks)


def test_reads_as_people_write_it():
    text, marks = from_markup("⟦P|县委书记⟧⟦O|孙志⟧强调，⟦A|各地⟧要⟪孙志|守住⟦T|零事故⟧底线⟫。")
    assert text == "县委书记孙志强调，各地要守住零事故底线。"
    assert Mark(12, 19, "DIRECTIVE", "孙志") in marks
    assert [text[m.start : m.end] for m in marks] == ["县委书记", "孙志", "各地", "守住零事故底线", "零事故"]


def test_every_composed_report_round_trips(composed):
    for report in composed:
        assert from_markup(to_markup(report.text, report.marks)) == (report.text, list(report.marks))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("甲\n乙⟦O|王海", "line 2, column 2: ⟦ never closes"),
        ("⟦X|王海⟧", "unknown code 'X'"),
        ("⟦O|王⟦O|海⟧⟧", "opens inside the ⟦ of line 1, column 1"),
        ("王海⟧", "closes nothing"),
        ("⟪孙志", "needs a head and a bar"),
    ],
)
def test_errors_name_the_place(wrong, why):
    with pytest.raises(ValueError, match=why):
        from_markup(wrong)

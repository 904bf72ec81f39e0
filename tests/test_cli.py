"""The command line on the kinds of files that users have."""

import csv
import io
import json
import subprocess
import sys

import pytest
from conftest import ROOT, SAMPLE
from typer.testing import CliRunner

from duban.cli import app
from duban.document import Document
from duban.encodings import decode

runner = CliRunner()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "utf8.txt").write_text(SAMPLE, encoding="utf-8")
    (tmp_path / "gb.txt").write_bytes(SAMPLE.encode("gb18030"))
    (tmp_path / "big5.txt").write_bytes(
        "縣委書記孫志強調，各鄉鎮要抓好安全生產工作，確保全年零事故。會議指出，要加強領導。".encode("big5")
    )
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "image.txt").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "page.html").write_text(
        "<html><p>縣長王海強(qiáng)調(diào)：</p>\n<p>要抓好項(xiàng)目。</p>", encoding="utf-8"
    )
    rows = [
        '{"id": "r1", "text": "市长赵岚要求，要守住底线。"}',
        "{broken",
        '{"id": "r3"}',
        '{"text": "会议强调，要真抓实干。"}',
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    return tmp_path


def test_a_folder_of_everything(folder):
    out = folder / "out.jl"
    result = runner.invoke(app, ["extract", str(folder), "-o", str(out)])
    records = {r["id"]: r for r in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    at = {name.rsplit("/", 1)[-1]: r for name, r in records.items()}
    assert set(at) == {"utf8.txt", "gb.txt", "big5.txt", "empty.txt", "page.html", "r1", "lines.jsonl:4"}
    assert at["gb.txt"]["spans"] == at["utf8.txt"]["spans"] != []
    assert at["empty.txt"]["spans"] == []
    assert at["big5.txt"]["text"].startswith("縣委書記")
    assert [o["name"] for o in at["page.html"]["officials"]] == ["王海"]
    assert Document.from_dict(at["r1"]).directives[0].issuer == "赵岚"
    assert result.exit_code == 1
    for place in ("image.txt", "lines.jsonl:2", "lines.jsonl:3"):
        assert sum(place in line for line in result.stderr.splitlines()) == 1
    side = [json.loads(line) for line in (folder / "out.jl.failed.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["place"].rsplit("/", 1)[-1] for row in side] == ["image.txt", "lines.jsonl:2", "lines.jsonl:3"]


def test_csv_has_a_row_a_directive(folder):
    result = runner.invoke(app, ["extract", str(folder / "utf8.txt"), "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert result.exit_code == 0
    assert all(SAMPLE[int(r["start"]) : int(r["end"])] == r["directive"] for r in rows)
    assert {"孙志", "赵岚"} <= {r["issuer"] for r in rows}


def test_html_is_a_page(folder):
    result = runner.invoke(app, ["extract", str(folder / "page.html"), "--format", "html"])
    assert result.stdout.startswith("<!doctype html>")
    assert "<p>縣長" not in result.stdout  # what was given is shown, not rendered
    assert "王海" in result.stdout


def test_standard_input():
    result = runner.invoke(app, ["extract", "-"], input=SAMPLE)
    assert json.loads(result.stdout)["text"] == SAMPLE


def test_a_missing_file_and_the_rest_goes_on(folder):
    result = runner.invoke(app, ["extract", str(folder / "no.txt"), str(folder / "utf8.txt")])
    assert result.exit_code == 1
    assert "no.txt" in result.stderr
    assert len(result.stdout.splitlines()) == 1


def test_a_missing_model_is_one_line(folder):
    result = runner.invoke(app, ["extract", str(folder / "utf8.txt"), "--model", str(folder / "nowhere")])
    assert result.exit_code == 2
    assert "nowhere" in result.stderr


def test_output_may_lie_among_the_input_or_replace_it(folder):
    lines = folder / "lines.jsonl"
    for _ in range(2):
        runner.invoke(app, ["extract", str(folder), "-o", str(folder / "found.jsonl")])
        found = [json.loads(x)["id"] for x in (folder / "found.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(found) == len(set(found)) == 7
    assert runner.invoke(app, ["extract", str(lines), "-o", str(lines)]).exit_code == 1
    assert json.loads(lines.read_text(encoding="utf-8").splitlines()[0])["id"] == "r1"
    assert not list(folder.glob("*.part"))


def test_output_that_cannot_be_written_is_one_line(folder):
    result = runner.invoke(app, ["extract", str(folder / "utf8.txt"), "-o", str(folder / "no" / "out.jsonl")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_what_breaks_other_tools_is_shown_and_written(tmp_path):
    text = "县长王海强调，要抓好[/b]项目[red]建设，守住=cmd底线\x1b[31m。"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    row = json.dumps({"id": "=1+1", "text": "县长王海强调，要抓好\ud800项目。"})
    (tmp_path / "b.jsonl").write_text(row + "\n" + "[" * 200_000, encoding="utf-8")
    shown = runner.invoke(app, ["show", str(tmp_path / "a.txt")])
    assert shown.exit_code == 0
    assert "[red]" in shown.stdout
    assert "\x1b[31m" not in shown.stdout
    for kind in ("jsonl", "csv", "html"):
        result = runner.invoke(app, ["extract", str(tmp_path / "b.jsonl"), "--format", kind])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "b.jsonl:2: not JSON" in result.stderr
        assert result.stdout.encode()
        if kind == "csv":
            assert "'=1+1" in result.stdout


def test_every_composed_report_survives_its_encodings(composed):
    for report in composed:
        assert decode(report.text.encode("gb18030")) == report.text
        assert decode(report.text.encode("utf-16")) == report.text
        assert decode(report.text[:40].encode("gb18030")) == report.text[:40]


def test_show_prints_the_report_and_its_tables():
    done = subprocess.run(
        [sys.executable, "-m", "duban.cli", "show", "data/sample.txt"],
        capture_output=True,
        cwd=ROOT,
        check=True,
        text=True,
    )
    for part in ("云岭县召开四季度", "孙志", "县委副书记、县长", "倒排工期、挂图作战", "满堂红"):
        assert part in done.stdout

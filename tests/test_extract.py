"""`duban extract` over corpora: killed and gone on with, kinds of input and output, what fails."""

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import duban.cli
from duban.document import Document

runner = CliRunner()
#: Of every third there is no text, so that shards with and without failures are there.
ROWS = [
    {"id": f"r{i}", "text": f"市长赵岚要求，要守住第{i}条底线。" if i % 3 else None}
    for i in range(8)  # shards of 2, so 4 of them
]


class Killed(BaseException):
    """The end of a process, as far as what is on the disk goes."""


@pytest.fixture
def corpus(tmp_path, tagger, monkeypatch):
    """A JSON Lines file in the current folder; the model is loaded once for all."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(duban.cli, "load", lambda *_, **__: tagger)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    Path("in.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def extract(*arguments: str, exit_code: int = 1) -> str:
    """Run it in shards of two and return what it says on standard error."""
    result = runner.invoke(duban.cli.app, ["extract", "--shard-size", "2", *arguments])
    assert result.exit_code == exit_code, result.stderr
    return result.stderr


def records(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_killed_again_and_again_the_output_is_the_same(corpus, monkeypatch, format):
    extract("in.jsonl", "-o", "whole", "--format", format)
    chance = random.Random(format)
    left = 0

    def dying(call):
        def step(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return call(*args, **kwargs)

        return step

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):  # all that changes what is in place
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    kills = 0
    while True:
        left = chance.randint(3, 9)  # the first two steps of each run write job.json
        try:
            extract("in.jsonl", "-o", "out", "--format", format)
            break
        except Killed:
            kills += 1
    assert kills > 2
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert Path("out.failed.jsonl").read_bytes() == Path("whole.failed.jsonl").read_bytes()
    assert not Path("out.part").exists()


def test_kill_9(corpus):
    extract("in.jsonl", "-o", "whole", "--device", "cpu")
    died = (
        "import os, signal, itertools\n"
        "count, fsync = itertools.count(1), os.fsync\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL) if next(count) == {} else fsync(file)\n"
        "from duban.cli import app; app()"
    )
    command = ["extract", "--shard-size", "2", "in.jsonl", "-o", "out", "--device", "cpu"]
    at = random.Random(9).randint(3, 8)
    for step, code in ((at, -9), (0, 1)):
        done = subprocess.run([sys.executable, "-c", died.format(step), *command], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert Path("out").exists() == (code == 1)
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert Path("out.failed.jsonl").read_bytes() == Path("whole.failed.jsonl").read_bytes()


def test_only_the_same_is_gone_on_with(corpus):
    arguments = ("in.jsonl", "-o", "out", "--strict")
    Path("in.jsonl").write_text('{"text": "会议强调，要真抓实干。"}\n' * 3 + "{broken\n", encoding="utf-8")
    assert "in.jsonl:4: not JSON" in extract(*arguments)
    assert not Path("out").exists()
    assert "--format was jsonl, now it is csv" in extract(*arguments, "--format", "csv", exit_code=2)
    extract(*arguments[:-1])
    assert len(records("out")) == 3
    Path("out").unlink()
    extract(*arguments)
    Path("in.jsonl").write_text('{"text": "会议强调。"}\n', encoding="utf-8")
    assert "in.jsonl has changed" in extract(*arguments, exit_code=2)


def test_standard_input_is_gone_on_with_only_if_it_is_the_same(corpus):
    good, bad = '{"text": "会议强调，要真抓实干。"}\n', '{"text": 5}\n'

    def given(text):
        return runner.invoke(duban.cli.app, ["extract", "--strict", "--shard-size", "1", "-", "-o", "out"], input=text)

    assert "-:2: expected a string 'text', which is int (5)" in given(good + bad).stderr
    assert "other documents" in given(good.replace("实", "真") + bad).stderr
    assert given(good + good).exit_code == 0
    assert len(records("out")) == 2


def test_what_fails_is_in_the_side_file_until_nothing_fails(corpus, tagger, monkeypatch):
    predict = type(tagger).predict

    def failing(self, texts):
        if "第4条" in str(texts):
            raise RuntimeError("out of memory")
        return predict(self, texts)

    monkeypatch.setattr(type(tagger), "predict", failing)
    assert "4 of 8 failed, see out.failed.jsonl" in extract("in.jsonl", "-o", "out")
    failed = records("out.failed.jsonl")
    assert [row["id"] for row in failed] == ["r0", "r3", "r4", "r6"]
    assert failed[2] == {"id": "r4", "place": "in.jsonl:5", "reason": "RuntimeError: out of memory"}
    assert [row["id"] for row in records("out")] == ["r1", "r2", "r5", "r7"]
    Path("good.jsonl").write_text(json.dumps(ROWS[1]), encoding="utf-8")
    extract("good.jsonl", "-o", "out", exit_code=0)
    assert not Path("out.failed.jsonl").exists()


def test_every_kind_of_input_gives_the_same(corpus):
    rows = [{"编号": row["id"], "正文": row["text"]} for row in ROWS if row["text"]]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path("a.jsonl").write_bytes(lines.encode("gb18030"))
    Path("b.jsonl.gz").write_bytes(gzip.compress(lines.encode("utf-16")))
    with open("c.csv", "w", encoding="gb18030", newline="") as file:
        table = csv.DictWriter(file, ["编号", "正文"])
        table.writeheader()
        table.writerows(rows)
    Path("d.csv.gz").write_bytes(gzip.compress(Path("c.csv").read_bytes().decode("gb18030").encode("utf-8-sig")))
    pq.write_table(pa.Table.from_pylist(rows), "e.parquet", row_group_size=2)
    kinds = ["a.jsonl", "b.jsonl.gz", "c.csv", "d.csv.gz", "e.parquet"]
    extract(*kinds, "-o", "out", "--text-column", "正文", "--id-column", "编号", exit_code=0)
    found = records("out")
    assert [(r["id"], r["text"]) for r in found] == [(row["编号"], row["正文"]) for row in rows] * len(kinds)
    assert "no column 'text', it has 编号, 正文" in extract("c.csv", "-o", "out")


def test_a_broken_line_or_file_is_named_and_the_rest_goes_on(corpus):
    good = '{"text": "会议强调，要真抓实干。"}\n'.encode()
    Path("a.jsonl").write_bytes(good + b'{"text": "\xff\xfe"}\n' + good)
    Path("b.csv").write_text('text\n"会议，\n强调"\n""\n好\n', encoding="utf-8")
    Path("c.jsonl.gz").write_bytes(gzip.compress(good)[:-9])
    Path("d.parquet").write_bytes(b"PAR1")
    (corpus / "empty").mkdir()
    said = extract("a.jsonl", "b.csv", "c.jsonl.gz", "d.parquet", "empty", "no.txt", "-o", "out")
    assert [row["id"] for row in records("out")] == ["a.jsonl:1", "a.jsonl:3", "b.csv:2", "b.csv:5"]
    places = [row["place"] for row in records("out.failed.jsonl")]
    assert places == ["a.jsonl:2", "b.csv:4", "c.jsonl.gz", "d.parquet", "empty", "no.txt"]
    assert all(f"duban: {place}: " in said for place in places)


def test_parquet_holds_what_json_lines_hold(corpus):
    text = "县委书记孙志强调，各乡镇要\ud800守住底线，确保全年粮食产量稳定在50万吨以上。"
    Path("in.jsonl").write_text(json.dumps({"id": "x", "text": text}) + "\n", encoding="utf-8")
    for format in ("jsonl", "parquet"):
        extract("in.jsonl", "-o", f"out.{format}", "--format", format, exit_code=0)
    (row,) = pq.read_table("out.parquet").to_pylist()
    assert row == json.loads(Path("out.jsonl").read_text(encoding="utf-8").replace("\\ud800", "\ufffd"))
    assert Document.from_dict(row).directives[0].issuer == "孙志"
    assert "name a file with -o" in extract("in.jsonl", "--format", "parquet", exit_code=2)

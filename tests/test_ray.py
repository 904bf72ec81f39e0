"""duban on a Ray cluster of this machine, with a worker killed on the way."""

import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import ray
import ray.data

import duban
import duban.ray
from duban.extract import process, run
from duban.journal import Journal
from duban.reading import Inputs
from duban.writing import Format

ROWS = [{"id": f"r{i}", "text": f"市长赵岚要求，要守住第{i}条底线。" if i else None} for i in range(12)]


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def kill_a_worker() -> int:
    """Kill -9 one actor of this test's cluster, which are its processes' grandchildren; return how many there were."""
    parents, names = {}, {}
    for process_ in Path("/proc").glob("[0-9]*"):
        try:
            names[int(process_.name)] = (process_ / "cmdline").read_text(errors="replace")
            parents[int(process_.name)] = int((process_ / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # it has ended
            continue

    def ours(pid: int) -> bool:
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    found = [pid for pid, name in names.items() if name.startswith(("ray::Worker", "ray::MapWorker")) and ours(pid)]
    os.kill(found[0], signal.SIGKILL)
    return len(found)


def test_a_worker_dies_and_the_output_is_the_same(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    load = partial(duban.load, device="cpu")
    there = []

    def passed(shard, failed):
        if not there:
            there.append(kill_a_worker())

    on_ray = partial(duban.ray.work, make=load, format=Format.jsonl, address="local", workers=2, num_gpus=0)
    alone = partial(map, partial(process, load(), Format.jsonl))
    for name, work in (("ray", on_ray), ("alone", alone)):
        inputs = Inputs([Path("in.jsonl")])
        summary = run(inputs, work, Journal(Path(name), Format.jsonl, {}, {}), size=1, passed=passed)
        assert summary == (12, 1)
    assert there == [2]
    assert Path("ray").read_bytes() == Path("alone").read_bytes()
    assert Path("ray.failed.jsonl").read_bytes() == Path("alone.failed.jsonl").read_bytes()

    dataset = ray.data.from_items(ROWS, override_num_blocks=6)
    rows = iter(duban.ray.extract(dataset, batch_size=2).iter_rows())
    found = [next(rows)]
    assert kill_a_worker() == 2
    found = {row.pop("id"): row for row in (*found, *rows)}
    assert "missing" in found.pop("r0")["error"]
    lines = map(json.loads, Path("alone").read_text(encoding="utf-8").splitlines())
    assert found == {row.pop("id"): {**row, "error": None} for row in lines}

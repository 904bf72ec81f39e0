"""The output of `extract`: a file that is made of shards, so that a run that was killed goes on, or standard output.

While a run is going on a folder `OUT.part` lies beside `OUT`, with `job.json` (the options, and the inputs with their
sizes and times) and the shards. A file there is complete, or it is not there, since each is written under another name
and renamed. A shard counts once its output is there; the documents of it that failed were put there before.
At the end the shards are joined, `job.json` becomes `finished.json`, `OUT` is put in place, and the folder is removed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from duban.extract import ChangedError, Done, Shard, Summary
from duban.writing import HEADS, Format, join, json_line

_JOB, _FINISHED, _OUT, _FAILED = "job.json", "finished.json", "out", "failed"
_OUTPUT_OF, _FAILED_OF = ".output", ".failed"


class StandardOutput:
    """Shards as they come; nothing is gone on with."""

    def __init__(self, format: Format) -> None:
        self._failed = 0
        sys.stdout.buffer.write(HEADS[format])

    def has(self, shard: Shard) -> bool:
        """False."""
        return False

    def put(self, done: Done) -> None:
        """Print it."""
        sys.stdout.buffer.write(done.output)
        sys.stdout.buffer.flush()
        self._failed += len(done.failed)

    def finish(self, documents: int) -> int:
        """How many documents failed."""
        return self._failed


class Journal:
    """The output file `out`, and beside it `out.part` and, where documents failed, `out.failed.jsonl`.

    Args:
        out: the file.
        format: its format.
        options: what the output depends on, by name; values that JSON has.
        inputs: of each input [bytes, time of its last change in ns], or None where it has none.

    Attributes:
        finished: what the run came to, if it was finished already but for being tidied up.

    Raises:
        ChangedError: when `out.part` is of a run with other options or inputs; it says which.
        OSError: when the file cannot be written.
    """

    def __init__(self, out: Path, format: Format, options: dict[str, Any], inputs: dict[str, Any]) -> None:
        self.out, self.failed, self.folder = beside(out)
        self._format = format
        if out.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(out))
        self.folder.mkdir(exist_ok=True)
        self.finished: Summary | None = None
        job = json.loads(json.dumps({"options": options, "inputs": inputs}))
        if (last := self._load(_FINISHED)) is not None:
            self._tidy()
            if last["options"] == job["options"] and [*last["inputs"]] == [*job["inputs"]]:
                self.finished = Summary(*last["summary"])
                return
            self.folder.mkdir()
        self._job = job
        self._asked = 0
        self._there = {path.stem[:8]: path.stem for path in self.folder.glob(f"*{_OUTPUT_OF}")}
        before = self._load(_JOB)
        if before is None and any(path.suffix != ".tmp" for path in self.folder.iterdir()):
            raise ChangedError(f"{self.folder} is not of duban; move it away")
        if before is not None and before != job and self._there:
            raise ChangedError(
                f"{self.folder} is of a run that was stopped, and {_difference(before, job)}; run it as it was, or "
                f"remove {self.folder} to begin anew"
            )
        with self._new(_JOB) as file:
            file.write(json.dumps(job).encode())

    def has(self, shard: Shard) -> bool:
        """Whether it was put in place, by this run or an earlier one. Raises ChangedError for other documents."""
        self._asked += 1
        name = shard.name()
        there = self._there.get(name[:8])
        if there not in (None, name):
            raise ChangedError(
                f"{self.folder} was made of other documents than are read at {shard.documents[0].place} and after; "
                f"give the same, or remove {self.folder} to begin anew"
            )
        return there is not None

    def put(self, done: Done) -> None:
        """Put it in place."""
        name = done.shard.name()
        if done.failed:
            with self._new(name + _FAILED_OF) as file:
                for given in done.failed:
                    file.write(json_line({"id": given.id, "place": given.place, "reason": given.failure}).encode())
        with self._new(name + _OUTPUT_OF) as file:
            file.write(done.output)

    def finish(self, documents: int) -> int:
        """Join the shards, put the output in place, and return how many documents failed."""
        parts = sorted(self.folder.glob(f"*{_OUTPUT_OF}"))
        if len(parts) != self._asked:
            raise ChangedError(
                f"{self.folder} was made of more documents than there are now; give the same, or remove "
                f"{self.folder} to begin anew"
            )
        without = sorted(self.folder.glob(f"*{_FAILED_OF}"))
        failed = 0
        if without:
            with self._new(_FAILED) as file:
                for path in without:
                    lines = path.read_bytes()
                    failed += lines.count(b"\n")
                    file.write(lines)
        else:
            self.failed.unlink(missing_ok=True)  # an earlier run's
        with self._new(_OUT) as file:
            join(parts, self._format, file)
        with self._new(_FINISHED) as file:
            file.write(json.dumps({**self._job, "summary": [documents, failed]}).encode())
        self._tidy()
        return failed

    def _tidy(self) -> None:
        """Put what is finished in place and remove the folder; may be killed and begun again at any point."""
        for draft, place in ((self.folder / _FAILED, self.failed), (self.folder / _OUT, self.out)):
            if draft.exists():
                draft.replace(place)
        for path in self.folder.iterdir():
            if path.name != _FINISHED:
                path.unlink()
        (self.folder / _FINISHED).unlink()
        self.folder.rmdir()

    def _load(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        return json.loads(path.read_bytes()) if path.exists() else None

    @contextmanager
    def _new(self, name: str) -> Iterator[BinaryIO]:
        """A file that is put in place when it is complete, and on the disk."""
        draft = self.folder / f"{name}.{os.getpid()}.tmp"
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / name)


def beside(out: Path) -> tuple[Path, Path, Path]:
    """The output, its side file of what failed, and the folder of the run."""
    return out, out.with_name(out.name + ".failed.jsonl"), out.with_name(out.name + ".part")


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What changed, in words."""
    for name, value in now["options"].items():
        if (was := before["options"].get(name)) != value:
            return f"{name} was {was}, now it is {value}"
    for path, stamp in now["inputs"].items():
        if path not in before["inputs"]:
            return f"{path} was not among its inputs"
        if before["inputs"][path] != stamp:
            return f"{path} has changed since"
    gone = [path for path in before["inputs"] if path not in now["inputs"]]
    return f"{gone[0]} was among its inputs" if gone else "its inputs came in another order"

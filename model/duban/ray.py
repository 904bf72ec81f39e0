"""duban on a Ray cluster: `extract` over a Ray Dataset, and the shards of `duban extract --ray`.

    import ray, duban.ray
    duban.ray.extract(ray.data.read_parquet("s3://reports/"), workers=64).write_parquet("s3://found/")

A worker that dies is started again, and what it was reading is read again. Needs `pip install 'duban[ray]'`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import ray
import ray.data
import ray.exceptions

from duban import Tagger, load
from duban.document import Document
from duban.extract import Done, Shard, process, read
from duban.reading import given
from duban.schema import table
from duban.writing import Format

#: How often a shard is read again when its worker dies, before the run stops: some text may be what kills it.
_RETRIES = 3


class Worker:
    """An actor with a model of its own, on the GPU that Ray gives it, or on the CPU."""

    def __init__(self, make: Callable[[], Tagger]) -> None:
        self._tagger = make()

    def process(self, shard: Shard, format: Format) -> Done:
        """Read a shard."""
        return process(self._tagger, format, shard)

    def __call__(self, batch: pa.Table, text_column: str, id_column: str) -> pa.Table:
        """The rows of a batch in `duban.schema`, with the `error` of each; see `extract`."""
        rows = batch.select([c for c in (text_column, id_column) if c in batch.column_names]).to_pylist()
        documents = [given("", row, text_column, id_column) for row in rows]
        found = read(self._tagger, documents)
        named = [(g.id, d if isinstance(d, Document) else Document("")) for g, d in zip(documents, found)]
        errors = [None if isinstance(d, Document) else d.failure for d in found]
        return table(named).append_column("error", pa.array(errors, pa.string()))


def extract(
    dataset: ray.data.Dataset,
    *,
    text_column: str = "text",
    id_column: str = "id",
    model: str | None = None,
    workers: int = 2,
    num_cpus: float = 1,
    num_gpus: float = 0,
    batch_size: int = 256,
) -> ray.data.Dataset:
    """A row for each row of the dataset: `id`, what `Document.to_dict` gives, and `error`; see docs/output.md.

    A row that cannot be read has an empty Document and its reason in `error`, which is null elsewhere. Like all of Ray
    Data it is lazy, and keeps the order of rows only if `DataContext.execution_options.preserve_order` is set.

    Args:
        dataset: reports; other columns are dropped.
        text_column: the column of the text.
        id_column: the column of the id; ids are empty where there is none.
        model: as in `duban.load`; a folder must be there on every machine.
        workers: how many actors, each with a model of its own.
        num_cpus: processors of each.
        num_gpus: GPUs of each, 0 to run on the CPU; below 1 they share one.
        batch_size: rows that a worker reads together.

    Raises:
        ValueError: when the dataset has no such text column.
    """
    columns = dataset.columns() or []
    if text_column not in columns:
        raise ValueError(f"the dataset has no column {text_column!r}, it has {', '.join(columns)}; give text_column=")
    worker: Any = Worker  # Ray's type of such a class knows no arguments of its own
    return dataset.map_batches(
        worker,
        fn_constructor_args=(partial(load, model),),
        fn_kwargs={"text_column": text_column, "id_column": id_column},
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
    )


def work(
    shards: Iterator[Shard], make: Callable[[], Tagger], format: Format, *, address: str, workers: int, num_gpus: float
) -> Iterator[Done]:
    """Shards read on a cluster, as they come; the shards are read from the iterator as there is room for them.

    Args:
        shards: what to read.
        make: makes the model of a worker.
        format: of the output.
        address: of the cluster as in ray.init, "local" to start one on this machine.
        workers: how many actors.
        num_gpus: GPUs of each.

    Raises:
        ConnectionError: when there is no cluster at the address, or workers die again and again.
    """
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    remote = ray.remote(max_restarts=-1, max_task_retries=_RETRIES, num_cpus=1, num_gpus=num_gpus)(Worker)
    pool: list[Any] = [remote.remote(make) for _ in range(workers)]
    running: dict[Any, Any] = {}
    try:
        for actor in (*pool, *pool):  # one shard at work and one waiting
            _submit(actor, shards, format, running)
        while running:
            (ready, *_), _ = ray.wait([*running])
            actor = running.pop(ready)
            _submit(actor, shards, format, running)
            yield ray.get(ready)
    except ray.exceptions.RayError as error:
        raise ConnectionError(f"the workers on Ray gave up: {error}") from error
    finally:
        for actor in pool:
            ray.kill(actor)


def _submit(actor: Any, shards: Iterator[Shard], format: Format, running: dict[Any, Any]) -> None:
    if (shard := next(shards, None)) is not None:
        running[actor.process.remote(shard, format)] = actor

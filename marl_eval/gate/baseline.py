"""A baseline to commit: the statistics of a run's metrics, example by example, and no text.

A Parquet file with a row an example: its id, a hash of its question and gold answers, whether a request
of it failed, and the additive statistics of each metric. So a later run is compared with it example by
example, as with the run itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_array, issparse

from marl_eval.comparison.per_example import PerExample, Rows, metrics_by_name, of_run
from marl_eval.errors import UserError, unknown
from marl_eval.metric import Statistics
from marl_eval.provenance import versions
from marl_eval.scoring.stage import dump_shape, load_shape
from marl_eval.store import RunDirectory, write_whole

SCHEMA_VERSION = 1
_ABOUT = b"marl_eval.baseline"


def write_baseline(run: Path, file: Path, metrics: Sequence[str] | None = None) -> list[str]:
    """Write the baseline of a scored run; give the names of the metrics in it.

    Args:
        run: a run directory.
        file: to write.
        metrics: names of those to keep; all that are no point of a curve, if not given.

    Raises:
        UserError: if the run has not been scored, or lacks a metric.
        StorageError: if the file cannot be written.
    """
    side = of_run(run)
    for name in metrics or ():
        if name not in side.metrics:
            raise unknown("metric of this run named", name, side.metrics)
    names = metrics or [name for name, one in side.metrics.items() if one.curve is None]
    kept = {name: side.metrics[name].statistics for name in dict.fromkeys(names)}
    columns = {own: f"s{place}" for place, own in enumerate(dict.fromkeys(kept.values()))}
    rows = {column: side.rows(own) for own, column in columns.items()}
    record = RunDirectory(run).read_run()
    about = {
        "schema_version": SCHEMA_VERSION,
        "run": run.resolve().name,
        "model": record["settings"]["model"],
        "task": record["settings"]["task"],
        "versions": versions(),
        "shape": dump_shape(side.shape),
        "sparse": [column for column, own in rows.items() if issparse(own)],
        "metrics": {
            name: {"column": columns[own], "value": _value(side, name)}
            for name, own in kept.items()
        },
    }
    table = pa.table(
        {
            "example": list(side.contents),
            "content": pa.array(side.contents.values(), pa.binary(16)),
            "whole": side.whole,
            **{column: _stored(own) for column, own in rows.items()},
        }
    )
    table = table.replace_schema_metadata({_ABOUT: orjson.dumps(about)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=19)
    write_whole(file, sink.getvalue().to_pybytes())
    return list(kept)


def read_baseline(file: Path) -> PerExample:
    """Read a baseline: a file that ``write_baseline`` made, or a run directory.

    Raises:
        UserError: if it is neither, or its metrics are computed otherwise by this version.
    """
    if file.is_dir():
        return of_run(file)
    try:
        table = pq.read_table(file)
        about: dict[str, Any] = orjson.loads(table.schema.metadata[_ABOUT])
    except FileNotFoundError:
        raise UserError(
            f"There is no baseline {file}: make one with 'marl-eval baseline RUN --out {file}'."
        ) from None
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise UserError(
            f"{file} is neither a run directory nor a baseline: make one with "
            f"'marl-eval baseline RUN --out {file}'."
        ) from error
    if about["schema_version"] != SCHEMA_VERSION:
        raise UserError(f"{file} is a baseline of another version of marl-eval: make it again.")
    shape = load_shape(about["shape"])
    fitting = metrics_by_name(shape)
    arrays: dict[Statistics, Rows] = {}
    for name, kept in about["metrics"].items():
        if name in fitting:
            own = _restored(table, kept["column"], sparse=kept["column"] in about["sparse"])
            arrays[fitting[name].statistics] = own
    side = PerExample(
        name=str(file),
        shape=shape,
        contents=dict(zip(table["example"].to_pylist(), table["content"].to_pylist(), strict=True)),
        whole=table["whole"].to_numpy(),
        metrics={name: fitting[name] for name in about["metrics"] if name in fitting},
        rows=arrays.__getitem__,
    )
    _see_that_values_are_kept(side, about["metrics"])
    return side


def _value(side: PerExample, name: str) -> float | None:
    metric = side.metrics[name]
    sums = np.asarray(side.rows(metric.statistics).sum(axis=0), dtype=np.float64).reshape(-1)
    value = float(metric.finish(sums))
    return value if np.isfinite(value) else None


def _see_that_values_are_kept(side: PerExample, kept: Mapping[str, Mapping[str, Any]]) -> None:
    for name in side.metrics:
        then, now = kept[name]["value"], _value(side, name)
        if (then is None) != (now is None) or (
            then is not None
            and now is not None
            and not isclose(then, now, rel_tol=1e-9, abs_tol=1e-12)
        ):
            raise UserError(
                f"{side.name}: this version of marl-eval computes {name} otherwise than the one that "
                f"made the baseline ({now} instead of {then}): make it again."
            )


def _stored(rows: Rows) -> pa.Array:
    dense = np.asarray(rows.todense() if issparse(rows) else rows, dtype=np.float64)
    return pa.FixedSizeListArray.from_arrays(pa.array(dense.reshape(-1)), dense.shape[1])


def _restored(table: pa.Table, column: str, *, sparse: bool) -> Rows:
    chunks = table[column].combine_chunks()
    width = chunks.type.list_size
    rows: Rows = chunks.flatten().to_numpy().reshape(-1, width)
    return csr_array(rows) if sparse else rows

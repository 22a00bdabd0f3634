"""The journal as a table: one row a record, written a segment at a time."""

import json
from pathlib import Path
from typing import Any

from core.codes import JournalKind
from noderrd.journal import decode
from noderrd.journal.read import records

TEXT = ("kind", "venue", "symbol", "strategy", "cl_ord_id")
NUMBERS = ("seq", "ts_ns", "seq_num", "decision")


def parquet(folder: Path, out: Path) -> int:
    """Write every record; what has no column of its own is JSON in `detail`. Gives how many.

    Raises segment.Damaged, OSError, ImportError without pyarrow (the extra "parquet").
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([*((n, pa.int64()) for n in NUMBERS), *((t, pa.dictionary(pa.int32(), pa.string())) for t in TEXT), ("detail", pa.string())])
    names, n = decode.Names(), 0
    with pq.ParquetWriter(out, schema) as file:
        for block in records(folder):
            columns: dict[str, list[Any]] = {name: [] for name in schema.names}
            for row in block:
                if row["kind"] == JournalKind.SPEC:
                    names.learn(row)
                    continue
                said = decode.told(row, names)
                for name in (*NUMBERS, *TEXT):
                    columns[name].append(said.pop(name, None))
                columns["detail"].append(json.dumps(said))
            file.write_table(pa.table(columns, schema))
            n += len(columns["seq"])
    return n

"""Best prices, trades and bars of a replay, to Parquet or CSV by the file's name. Written as they come: a day need not fit into memory."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from core import itch
from core.codes import Side
from noderrd.replay.play import Replay

SECOND = 1_000_000_000


class NoParquet(ValueError):
    """Exports need pyarrow, which is an extra."""


class Table:
    """One file being written. Raises NoParquet, OSError."""

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa
            import pyarrow.csv
            import pyarrow.parquet
        except ImportError:
            message = "exports need pyarrow: install noderrd with the extra `parquet`"
            raise NoParquet(message) from None
        self._path, self._pa = path, pa
        self._writer: Any = None

    def add(self, columns: dict[str, Any]) -> None:
        """Append rows: equally long columns by name."""
        batch = self._pa.table(columns)
        if self._writer is None:
            kind = self._pa.parquet.ParquetWriter if self._path.suffix == ".parquet" else self._pa.csv.CSVWriter
            self._writer = kind(str(self._path), batch.schema)
        self._writer.write_table(batch)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


class Bars:
    """Open, high, low, close and volume a symbol and a stretch of time, from trades as they come. The last, unfinished stretch counts too."""

    def __init__(self, seconds: int) -> None:
        self._span, self._open = seconds * SECOND, {}  # type: int, dict[int, list[int]]

    def add(self, trades: np.ndarray) -> list[list[int]]:
        """Take TRADE rows in order; gives the bars [start_ns, inst, open, high, low, close, volume, trades] that they ended."""
        ended = []
        for row in trades:
            inst, start = int(row["inst"]), int(row["ts_ns"]) // self._span * self._span
            px, qty = int(row["px"]), int(row["qty"])
            bar = self._open.get(inst)
            if bar is None or bar[0] != start:
                if bar is not None:
                    ended.append(bar)
                self._open[inst] = [start, inst, px, px, px, px, qty, 1]
                continue
            bar[3], bar[4], bar[5] = max(bar[3], px), min(bar[4], px), px
            bar[6] += qty
            bar[7] += 1
        return ended

    def rest(self) -> list[list[int]]:
        """Give the bars that are still open."""
        return list(self._open.values())


class Exports:
    """The files that were asked for, fed from a replay's TOP and TRADE rows. A context: leaving it finishes the files."""

    def __init__(self, replay: Replay, tops: Path | None, trades: Path | None, bars: Path | None, seconds: int) -> None:
        self._replay = replay
        self._tops, self._trades, self._bars = (Table(path) if path is not None else None for path in (tops, trades, bars))
        self._gathered = Bars(seconds)
        self._names = np.array([itch.symbol(int(packed)) for packed in replay.instruments["stock"]], dtype=object)

    def __enter__(self) -> "Exports":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.take()
        self._write_bars(self._gathered.rest())
        for table in (self._tops, self._trades, self._bars):
            if table is not None:
                table.close()

    def take(self) -> None:
        """Take the rows that wait at the replay's desk."""
        desk = self._replay.desk[0]
        tops, trades = self._replay.tops[: desk["n_tops"]], self._replay.trades[: desk["n_trades"]]
        if self._tops is not None:
            names = ("bid_px", "bid_qty", "ask_px", "ask_qty", "state")
            self._tops.add(self._head(tops) | {name: tops[name] for name in names})
        if self._trades is not None:
            aggressors = {"aggressor": np.array([side.name for side in Side])[trades["side"]]}
            self._trades.add(self._head(trades) | aggressors | {name: trades[name] for name in ("px", "qty", "match")})
        if self._bars is not None:
            self._write_bars(self._gathered.add(trades))
        desk["n_tops"] = desk["n_trades"] = 0

    def _head(self, rows: np.ndarray) -> dict[str, Any]:
        return {"msg_index": rows["msg_index"], "timestamp_ns": rows["ts_ns"], "symbol": self._names[rows["inst"]].astype(str)}

    def _write_bars(self, bars: Sequence[Sequence[int]]) -> None:
        if self._bars is None:
            return
        rows = np.array(bars, np.int64).reshape(-1, 8)
        head = {"timestamp_ns": rows[:, 0], "symbol": self._names[rows[:, 1]].astype(str)}
        self._bars.add(head | {name: rows[:, k] for k, name in enumerate(("open", "high", "low", "close", "volume", "trades"), 2)})

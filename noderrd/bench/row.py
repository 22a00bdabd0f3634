"""One line of a benchmark's result, and how it is shown."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def figure(value: float) -> float:
    """Give a whole number, or two decimals of a small one: a nanosecond matters where an operation takes five."""
    small = 1000
    return round(float(value), 2) if abs(value) < small else int(value)


@dataclasses.dataclass(frozen=True)
class Row:
    """A case that was measured; with a reference that ran in turn with it where there is one. `more` are counts of the product."""

    bench: str
    case: str
    unit: str
    samples: np.ndarray
    reference: str = ""
    reference_samples: np.ndarray | None = None
    more: dict[str, float] = dataclasses.field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Give the row as pinned for users: percentiles, the ratio of the medians, what is added over the reference."""
        ours = {name: figure(np.percentile(self.samples, q)) for name, q in QUANTILES.items()}
        facts: dict[str, Any] = {"bench": self.bench, "case": self.case, "unit": self.unit, "n": len(self.samples), **ours}
        if self.reference_samples is not None:
            theirs = {name: figure(np.percentile(self.reference_samples, q)) for name, q in QUANTILES.items()}
            facts |= {
                "reference": self.reference,
                "reference_p50": theirs["p50"],
                "ratio": round(ours["p50"] / theirs["p50"], 3),
                "added_p50": figure(ours["p50"] - theirs["p50"]),
                "added_p99": figure(ours["p99"] - theirs["p99"]),
            }
        return facts | self.more


def shown(row: dict[str, Any], *, as_json: bool, first: bool) -> str:
    """Give a row as one JSON object, or as a line of a table (with its heading before the first)."""
    if as_json:
        return json.dumps(row)
    columns = ("bench", "case", "unit", "n", *QUANTILES, "reference_p50", "ratio", "added_p50", "added_p99")
    rest = {name: value for name, value in row.items() if name not in (*columns, "reference")}
    line = _line([row.get(name, "") for name in columns]) + "  " + " ".join(f"{name}={value}" for name, value in rest.items())
    return (_line(columns) + "\n" if first else "") + line.rstrip()


def _line(cells: Sequence[object]) -> str:
    names = 2
    return "".join(f"{cell:<15}" if k < names else f"{cell:>14}" if k > names + 6 else f"{cell:>10}" for k, cell in enumerate(map(str, cells)))

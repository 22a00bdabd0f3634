"""Another strategy or model in a slot of a node that trades: how long the lane's loop stands still, and what is lost meanwhile.

As rules-swap, but what changes is code: a thread beside the loop loads the file that was compiled and tried beforehand; the lane returns from its
loop, puts addresses in their places, and goes on. `strategy` and `model`: the loop's widest gap in a round with a change, whatever else the machine
did to it (a round with a change is longer by the trial in a process of its own); beside it the widest gap in rounds without (`gap_without_p50`,
p99), and the longest time that the lane was away from its loop for the change, by its own clock (`away_p50`, p99). `lost`: events lost, a round each.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from noderrd.bench.row import Row
from noderrd.bench.rules_swap import PACKAGE, Rig, rounds

HELP = "another strategy or model under load: gap of the lane, events lost"
NAME = "slot-swap"


def _files(folder: Path) -> tuple[Path, Path]:
    """Copy strategy and model: the same code and figures in another file are another strategy and model to the node."""
    strategy, model = folder / "quotes_too.py", folder / "alpha_too.onnx"
    strategy.write_text((PACKAGE / "strategies" / "quotes.py").read_text() + "\n# Another file.\n")
    model.write_bytes((PACKAGE / "models" / "alpha.onnx").read_bytes())
    return strategy, model


def run(quick: bool) -> Iterator[Row]:
    """Measure; quick: a few rounds."""
    with tempfile.TemporaryDirectory(prefix="noderrd-bench-") as made:
        folder = Path(made)
        rig = Rig(folder / "state")
        try:
            yield from _slots(rig, _files(folder), 2 if quick else 12)
        finally:
            rig.close()


def _slots(rig: Rig, files: tuple[Path, Path], n: int) -> Iterator[Row]:
    strategy, model = files
    lost: list[np.ndarray] = []
    own = (PACKAGE / "strategies" / "quotes.py", PACKAGE / "models" / "alpha.onnx")

    def other_strategy(k: int) -> None:
        rig.policy(1, strategy if k % 2 == 0 else own[0], own[1])
        rig.apply()

    def other_model(k: int) -> None:
        rig.policy(1, own[0], model if k % 2 == 0 else own[1])
        rig.apply()

    for name, change in (("strategy", other_strategy), ("model", other_model)):
        change(0)
        change(1)
        withs, without = rounds(rig, change, n)
        lost.append(withs[:, 2])
        beside = {"gap_without": without[:, 0], "away": withs[:, 1]}
        figures = {f"{what}_p{q}": float(np.percentile(values, q)) for what, values in beside.items() for q in (50, 99)}
        yield Row(NAME, name, "ns", withs[:, 0], more=figures)
    yield Row(NAME, "lost", "events", np.concatenate(lost))

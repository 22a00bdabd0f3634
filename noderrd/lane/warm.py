"""`noderrd warm`: fill the kernel cache, so that the first start is as quick as the second."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from noderrd.lane import cache

HELP = "compile the kernels of lane and exchange into the cache"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: what is compiled depends on the code and the machine alone."""
    parser.description = HELP


VENUE = "from noderrd.lane import cache; cache.prepare(); from noderrd import logs; from noderrd.venue import warm; warm.up(logs.get('warm venue'))"
SHIPPED = Path(__file__).parents[1]


def main(_args: argparse.Namespace) -> int:
    """Compile lane, exchange and what ships with them, the two at once, and say where and how long. 1 when one of them could not."""
    folder = cache.prepare()
    began = time.monotonic()
    print(f"compiling into {folder} (a minute or two on two cores, once)", file=sys.stderr, flush=True)
    venue = subprocess.Popen([sys.executable, "-P", "-c", VENUE])
    from core.feature import NAMES
    from noderrd import logs
    from noderrd.lane.rehearse import rehearse
    from noderrd.lane.spec import InstrumentSpec, LaneSpec, ModelSpec, StrategySpec, VenueSpec

    strategies = [StrategySpec(f.stem, str(f), ["WARM"], {}) for f in (SHIPPED / "strategies" / "quotes.py", SHIPPED / "strategies" / "taker.py")]
    model = ModelSpec("alpha", str(SHIPPED / "models" / "alpha.onnx"), NAMES, [])
    one = VenueSpec("WARM", "", "", "127.0.0.1", "", "127.0.0.1:9", "WARM", "")
    spec = LaneSpec("warm", "", "", [one], [InstrumentSpec("WARM", 0, "WARM", 100, 1)], ["WARM"], strategies, [], [model], [], table=1 << 10)
    rehearse(spec, logs.get("warm lane"))
    failed = venue.wait() != 0
    cache.prune()
    files = sum(1 for _ in Path(folder).rglob("*.nbc"))
    print(f"{files} kernels in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return 1 if failed else 0

"""`noderrd warm`: fill the kernel cache, so that the first start is as quick as the second."""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

from noderrd.lane import cache

HELP = "compile the lane's kernels into the cache"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: what is compiled depends on the code and the machine alone."""
    parser.description = HELP


def main(_args: argparse.Namespace) -> int:
    """Compile, and say where and how long."""
    folder = cache.prepare()
    began = time.monotonic()
    print(f"compiling into {folder} ...", file=sys.stderr, flush=True)
    from noderrd import logs
    from noderrd.lane import process
    from noderrd.lane.rehearse import rehearse
    from noderrd.lane.spec import InstrumentSpec, LaneSpec, VenueSpec

    venue = VenueSpec("WARM", "", "", "127.0.0.1", "", "127.0.0.1:9", "WARM", "")
    spec = LaneSpec("warm", "", "", [venue], [InstrumentSpec("WARM", 0, "WARM", 100, 1)], ["WARM"], [], [], [], [])
    rehearse(dataclasses.replace(spec, table=1 << 10), logs.get("warm"))
    assert process.run is not None
    cache.prune()
    files = sum(1 for _ in Path(folder).rglob("*.nbc"))
    print(f"{files} kernels in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return 0

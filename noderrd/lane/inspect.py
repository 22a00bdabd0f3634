"""Would a lane take this spec? `python -P -m noderrd.lane.inspect SPEC.json`: compiles its strategies, loads its models, tells all that is wrong.

A process of its own, because a user's file runs in it, and because the daemon needs neither numba nor onnxruntime. What it compiles the lane finds in
the cache. Exit 0, or 1 with a line for each reason on stderr.
"""

import os
import sys
from pathlib import Path

from noderrd.lane import cache

LOWEST = 19


def main() -> int:
    """Look at everything that a lane would load, and take no time from one that trades."""
    os.nice(LOWEST)
    cache.prepare()
    from noderrd.lane import ort
    from noderrd.lane.spec import LaneSpec
    from noderrd.strategies import compile as strategies

    spec = LaneSpec.read(Path(sys.argv[1]))
    wrong: list[str] = []
    for it in spec.strategies:
        try:
            strategies.load(Path(it.file)).params(it.params)
        except (strategies.StrategyError, OSError) as why:
            wrong.append(str(why))
    for model in spec.models:
        try:
            ort.Model(Path(model.file), model.features)
        except (ort.ModelError, OSError) as why:
            wrong.append(f"model {model.name}: {why}")
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

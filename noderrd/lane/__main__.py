"""A lane's process: `python -P -m noderrd.lane SPEC.json [spare]`. Started by the daemon in a session of its own; SIGTERM ends it with 0.

Order of things (each for a measured reason): affinity and thread counts before numpy is imported, the kernel cache before numba is, state before
sockets, a rehearsal before READY.
"""

import os
import sys
from pathlib import Path


def main() -> int:
    """Run until told to stop. 0 when stopped, 1 when it cannot start (the reason is in the log)."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    from noderrd.lane import cache

    cache.prepare()
    try:
        from noderrd.lane import process

        return process.run(Path(sys.argv[1]), spare=sys.argv[2:] == ["spare"])
    except (EOFError, ImportError, OSError, ValueError) as error:
        # A truncated or foreign cache entry shows in many ways (pickle, zlib, ELF): compile anew, once.
        if "pickle" not in f"{type(error).__module__}{error}" and not isinstance(error, EOFError):
            raise
        cache.discard()
        os.execv(sys.executable, [sys.executable, "-P", "-m", "noderrd.lane", *sys.argv[1:]])  # noqa: S606 - itself again


if __name__ == "__main__":
    sys.exit(main())

"""Make a lane's shared file from its journal, as a process: `python -P -m noderrd.journal.recover --spec SPEC.json --dir DIR`.

Exit 0 when it was made, whole; 1 with the reason when the journal does not tell enough, and no file then.
"""

import sys
from pathlib import Path

from noderrd.command import Parser
from noderrd.lane import cache


def main() -> int:
    """Make the file that the spec names."""
    parser = Parser(prog="noderrd.journal.recover", description="Make a lane's state from its journal.")
    parser.add_argument("--spec", type=Path, required=True, metavar="SPEC.json", help="what the lane was told")
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="the journal's folder")
    args = parser.parse_args()
    cache.prepare()
    from noderrd.journal.checkpoints import Untold
    from noderrd.journal.restore import rebuild
    from noderrd.journal.segment import Damaged, folder_of
    from noderrd.lane.memory import Shared
    from noderrd.lane.spec import LaneSpec

    spec = LaneSpec.read(args.spec)
    part = Path(f"{spec.shared}.part")
    part.unlink(missing_ok=True)
    try:
        n = rebuild(Shared(part, spec.sizes(), create=True), spec, folder_of(args.dir))
    except (Untold, Damaged, OSError) as why:
        part.unlink(missing_ok=True)
        print(why, file=sys.stderr)
        return 1
    part.rename(spec.shared)
    print(n)
    return 0


if __name__ == "__main__":
    sys.exit(main())

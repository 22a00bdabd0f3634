"""`noderrd`: what runs on the host, and what works on files without a daemon."""

import sys

from noderrd.command import dispatch

ABOUT = "The trading node, the exchange simulator, and what works on recordings without a daemon."
VERBS: dict[str, tuple[str, str]] = {
    "run": ("noderrd.control.run", "run the node that a noderrd.toml describes"),
    "venue": ("noderrd.venue.run", "run a simulated exchange"),
    "replay": ("noderrd.replay.run", "run a recording through the lane's kernels"),
    "record": ("noderrd.feeds.record", "write what a live feed sends to a packet capture"),
    "decode": ("noderrd.replay.decode", "show every field of a recording's messages"),
    "doctor": ("noderrd.control.doctor", "what this machine lacks for a node, and what that costs"),
    "echo": ("noderrd.net.echo", "send back what `noderrctl net bench` sends, with times"),
    "warm": ("noderrd.lane.warm", "compile the kernels of lane and exchange into the cache"),
}


def main() -> int:
    """Entry point of the console script."""
    return dispatch("noderrd", ABOUT, VERBS, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

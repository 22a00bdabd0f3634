"""`python -m noderrd.host.place`: move a process of the node to the lanes' partition. Root, started by noderrd-place.socket for each question.

The question is a process id and a line end; the answer `ok`, or why not. Only a process of the user who asks, in the cgroup of noderrd.service, is
moved. Moving between cgroups needs the right to write in their common ancestor, here the root, which the node's user must not have.
"""

import re
import socket
import struct
import sys
from pathlib import Path

from noderrd.host import cpu

UNIT = re.compile(r"^0::/(?:[\w.-]+/)*noderrd\.service(?:/|$)", re.MULTILINE)
MAX_BYTES = 32


def asked(line: socket.socket) -> str:
    """Read the question. Raises OSError."""
    text = b""
    while not text.endswith(b"\n") and len(text) < MAX_BYTES:
        more = line.recv(MAX_BYTES - len(text))
        if not more:
            break
        text += more
    return text.decode("ascii", "replace").strip()


def move(question: str, uid: int, root: Path = cpu.ROOT) -> str:
    """Move the process that is asked for: `ok`, or why not."""
    if not question.isdigit():
        return "a process id was expected"
    process = root / "proc" / question
    try:
        owner, cgroup = process.stat().st_uid, (process / "cgroup").read_text()
    except OSError as error:
        return f"process {question}: {error.strerror}"
    if owner != uid:
        return f"process {question} belongs to another user"
    if not UNIT.search(cgroup):
        return f"process {question} is none of noderrd.service"
    if cpu.partition(root) != "isolated":
        return f"no isolated partition: {cpu.partition(root) or 'none was made'}"
    try:
        (root / cpu.LANES / "cgroup.procs").write_text(question)
    except OSError as error:
        return f"process {question}: {error.strerror}"
    return "ok"


def main() -> int:
    """Answer the one question on standard input, which is the connection."""
    with socket.socket(fileno=sys.stdin.fileno()) as line:
        line.settimeout(cpu.ANSWER_S / 2)
        _, uid, _ = struct.unpack("=iII", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        question = asked(line)
        answer = move(question, uid)
        print(f"place {question[:MAX_BYTES]} for user {uid}: {answer}", file=sys.stderr)
        line.sendall(answer.encode() + b"\n")
        line.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main())

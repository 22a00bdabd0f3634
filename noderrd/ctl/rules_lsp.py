"""`noderrctl rules lsp`: the language server, for editors, on stdin and stdout. Needs the extra `editor` (pygls)."""

import argparse
import sys


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


def main(_args: argparse.Namespace) -> int:
    """Serve until the editor says exit."""
    try:
        from noderrd.editor.server import make
    except ModuleNotFoundError as why:
        if why.name not in {"pygls", "lsprotocol"}:
            raise
        print('the language server needs pygls: pip install "noderrd[editor]"', file=sys.stderr)
        return 1
    make().start_io()
    return 0

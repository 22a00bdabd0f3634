"""Command lines: one table of verbs is the help, the documentation's index and the dispatcher at once.

A verb's module has `HELP`, `arguments(parser)` and `main(args) -> exit code`. It is imported only when it is asked for: `status` need not
load numba. Several verbs may share a module: `args.verb`, and before that the parser's default of that name, says which it was.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

USAGE = 64  # EX_USAGE of sysexits.h
Verbs = Mapping[str, tuple[str, str]]  # verb to (module, help)


class Parser(argparse.ArgumentParser):
    """argparse, but a bad flag exits with 64."""

    def error(self, message: str) -> NoReturn:
        """Say what was wrong with the command line."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {message}\n")


def overview(program: str, about: str, verbs: Verbs) -> str:
    """Give the page that lists all verbs."""
    width = max(map(len, verbs))
    lines = [f"usage: {program} VERB [ARGUMENTS]", "", about, ""]
    lines += [f"  {verb:<{width}}  {words}" for verb, (_, words) in verbs.items()]
    return "\n".join([*lines, "", f"{program} VERB --help tells more."])


def dispatch(program: str, about: str, verbs: Verbs, given: Sequence[str], *, common: Callable[[argparse.ArgumentParser], None] | None = None) -> int:
    """Run the verb that stands first in `given`; flags that `common` declares may stand before it too. Gives its exit code."""
    before = Parser(prog=program, add_help=False)
    if common is not None:
        common(before)
    known, rest = before.parse_known_args(_leading(given)) if common is not None else (argparse.Namespace(), [])
    words = [*rest, *given[len(_leading(given)) :]]
    if not words or words[0] in {"-h", "--help", "help"}:
        print(overview(program, about, verbs))
        return 0 if words else USAGE
    if words[0] not in verbs:
        before.usage = f"{program} VERB [ARGUMENTS]"
        before.error(f"no such verb: {words[0]} ({program} --help lists them)")
    module = importlib.import_module(verbs[words[0]][0])
    parser = Parser(prog=f"{program} {words[0]}", description=verbs[words[0]][1])
    parser.set_defaults(verb=words[0])
    module.arguments(parser)
    if common is not None:
        common(parser)
    args = parser.parse_args(words[1:])
    for name, value in vars(known).items():
        if getattr(args, name, None) in {None, False}:
            setattr(args, name, value)
    try:
        code: int = module.main(args)
        if not sys.stdout.closed:  # the language server closes what it speaks over
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough: `noderrctl orders | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _leading(given: Sequence[str]) -> list[str]:
    """Give what stands before the verb: flags, and the value of `--socket`."""
    k = 0
    while k < len(given) and given[k].startswith("-") and given[k] not in {"-h", "--help"}:
        k += 2 if given[k] == "--socket" else 1
    return list(given[:k])

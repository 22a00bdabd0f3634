"""The demo's policy, and how a user's blocks replace its own.

The user's file is not copied but included, so that a diagnostic or a denial names the file and line that the user wrote; of the demo's blocks those
are left out whose kind and name the user's file has.
"""

import dataclasses
from pathlib import Path

from noderrd.demo import plan
from noderrd.strategies import source
from noderrd.strategies.source import StrategyError
from rules import parse, syntax
from rules.span import Source
from rules.units import UNITS

SHIPPED = Path(__file__).parents[1] / "strategies"
MODEL = Path(__file__).parents[1] / "models" / "alpha.onnx"
NAME = "demo.rules"

RISK = """\
risk default {
  max_position      2_000 shares
  max_order_size    500 shares
  max_order_value   250_000 USD
  price_collar      5%
  max_order_rate    1_000/s
  max_open_orders   64
}
"""


class Unusable(Exception):
    """What the user asked for makes no policy; the text says why."""


@dataclasses.dataclass(frozen=True)
class Written:
    """A block: what it is called, and its text."""

    title: str
    text: str


def quoted(path: Path) -> str:
    """Write a path as a string of the rules language."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def declared(file: Path) -> dict[str, str]:
    """Give the units of a strategy's parameters, each behind a space, so that `--set clip=200` means 200 shares; {} for a file with faults."""
    try:
        return {it.name: f" {it.unit}" for it in source.read(file).parameters if it.unit in UNITS}
    except (StrategyError, OSError):
        return {}


def strategy(name: str, file: Path, settings: dict[str, str]) -> Written:
    """Write a strategy that trades all symbols."""
    lines = [f"strategy {name} {{", f"  file     {quoted(file)}", f"  symbols  {', '.join(plan.SYMBOLS)}"]
    if settings:
        units = declared(file)
        entries = [f"{key} = {value}{units.get(key, '') if value[-1].isdigit() else ''}" for key, value in settings.items()]
        lines.append("  set      " + ", ".join(entries))
    return Written(f"strategy {name}", "\n".join([*lines, "}\n"]))


def strategies(asked: str | None, settings: dict[str, str]) -> list[Written]:
    """Write the strategies: both that ship, or the one that was asked for. Raises Unusable."""
    if asked is None:
        if settings:
            reason = "--set needs --strategy: it says whose parameters they are"
            raise Unusable(reason)
        return [strategy(name, SHIPPED / f"{name}.py", {}) for name in ("quotes", "taker")]
    if asked in {"quotes", "taker"}:
        return [strategy(asked, SHIPPED / f"{asked}.py", settings)]
    file = Path(asked).absolute()
    if not file.is_file():
        reason = f"--strategy {asked}: no such file (nor one that ships: taker, quotes)"
        raise Unusable(reason)
    name = "".join(c if c.isascii() and c.isalnum() else "_" for c in file.stem)
    return [strategy(f"s_{name}" if name[:1].isdigit() else name, file, settings)]


def venue(exchange: plan.Exchange) -> Written:
    """Write what an exchange charges."""
    fees = f"{exchange.maker_mils} mils maker, {exchange.taker_mils} mils taker"
    return Written(f"venue {exchange.name}", f"venue {exchange.name} {{\n  fee  {fees}\n}}\n")


def titles(file: Path) -> set[str]:
    """Name the blocks of a user's file; a text with faults names what can be read of it. Raises Unusable when there is no reading it."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as why:
        reason = f"--rules {file}: {why}"
        raise Unusable(reason) from why
    return {one.title for one in parse.parse(Source(str(file), text)).statements if isinstance(one, syntax.Block)}


def write(folder: Path, asked: str | None, settings: dict[str, str], model: Path | None, rules: Path | None) -> Path:
    """Write the policy into `folder`; gives its path. Raises Unusable."""
    scored = Written("model alpha", f"model alpha {{\n  file  {quoted((model or MODEL).absolute())}\n}}\n")
    blocks = [Written("risk default", RISK), *map(venue, plan.EXCHANGES), *strategies(asked, settings), scored]
    theirs = titles(rules) if rules is not None else set()
    text = "# The demo's policy: written by scripts/demo.\n\n" + "\n".join(it.text for it in blocks if it.title not in theirs)
    if rules is not None:
        text += f"\ninclude {quoted(rules.absolute())}\n"
    path = folder / NAME
    path.write_text(text)
    return path

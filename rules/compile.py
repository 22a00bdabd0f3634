"""Conditions to flat programs for core/program.py. rules/evaluate.py is what they are held to."""

from dataclasses import dataclass, field

import numpy as np

from core.codes import Op
from rules.evaluate import Leaf
from rules.expression import MAX_HELD, Apply, Arithmetic, Compare, Constant, Expression, Logic, Measured, Not, State, held, parts

_OPS = {"+": Op.ADD, "-": Op.SUBTRACT, "*": Op.MULTIPLY, "/": Op.DIVIDE, "<": Op.LESS, "<=": Op.LESS_EQUAL, ">": Op.GREATER,
        ">=": Op.GREATER_EQUAL, "==": Op.EQUAL, "!=": Op.NOT_EQUAL, "and": Op.AND, "or": Op.OR, "max": Op.GREATEST, "min": Op.LEAST}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """A condition as core.program.run reads it. `leaves` says what the row's values are, in order."""

    code: np.ndarray  # int32[n, 2]
    constants: np.ndarray  # float64[]
    leaves: tuple[Leaf, ...]


@dataclass(slots=True)
class _Writer:
    code: list[tuple[int, int]] = field(default_factory=list)
    constants: dict[float, int] = field(default_factory=dict)
    leaves: dict[Leaf, int] = field(default_factory=dict)

    def write(self, e: Expression) -> None:
        """Write operands, then operator."""
        if isinstance(e, Constant):
            value = float(e.quantity.value)
            self.code.append((Op.CONSTANT, self.constants.setdefault(value, len(self.constants))))
        elif isinstance(e, Measured | State) or (isinstance(e, Apply) and e.window_ns):
            self.code.append((Op.LOAD, self.leaves.setdefault(e, len(self.leaves))))
        elif isinstance(e, Not):
            self.write(e.operand)
            self.code.append((Op.NOT, 0))
        else:
            assert isinstance(e, Apply | Arithmetic | Compare | Logic)
            operands = parts(e)
            self.write(operands[0])
            for operand in operands[1:]:
                self.write(operand)
                self.code.append((_OPS[e.function if isinstance(e, Apply) else e.sign], 0))


def compile_condition(e: Expression) -> Program:
    """Compile an expression. The checker has seen to it that core.program.STACK suffices."""
    assert held(e) <= MAX_HELD
    writer = _Writer()
    writer.write(e)
    return Program(np.array(writer.code, np.int32), np.array(list(writer.constants), np.float64), tuple(writer.leaves))

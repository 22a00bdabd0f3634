"""Conditions to flat programs for core/program.py. rules/evaluate.py is what they are held to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from core.codes import Op
from rules.evaluate import Leaf
from rules.expression import MAX_HELD, Apply, Arithmetic, Compare, Constant, Expression, Logic, Measured, Not, State, held, parts

_OPS = {"+": Op.ADD, "-": Op.SUBTRACT, "*": Op.MULTIPLY, "/": Op.DIVIDE, "<": Op.LESS, "<=": Op.LESS_EQUAL, ">": Op.GREATER,
        ">=": Op.GREATER_EQUAL, "==": Op.EQUAL, "!=": Op.NOT_EQUAL, "and": Op.AND, "or": Op.OR, "max": Op.GREATEST, "min": Op.LEAST}  # fmt: skip


@dataclass(slots=True)
class Program:
    """A condition as core.program.run reads it: an Op and its operand each, and the constants."""

    code: list[tuple[int, int]] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)


def compile_condition(e: Expression, place: Callable[[Leaf], int]) -> Program:
    """Compile an expression; `place` says where in the row a leaf's value is. The checker has seen to it that core.program.STACK suffices."""
    assert held(e) <= MAX_HELD
    program = Program()
    _write(program, e, place)
    return program


def _write(program: Program, e: Expression, place: Callable[[Leaf], int]) -> None:
    """Write operands, then operator."""
    if isinstance(e, Constant):
        value = float(e.quantity.value)
        if value not in program.constants:
            program.constants.append(value)
        program.code.append((Op.CONSTANT, program.constants.index(value)))
    elif isinstance(e, Measured | State) or (isinstance(e, Apply) and e.window_ns):
        program.code.append((Op.LOAD, place(e)))
    elif isinstance(e, Not):
        _write(program, e.operand, place)
        program.code.append((Op.NOT, 0))
    else:
        assert isinstance(e, Apply | Arithmetic | Compare | Logic)
        operands = parts(e)
        _write(program, operands[0], place)
        for operand in operands[1:]:
            _write(program, operand, place)
            program.code.append((_OPS[e.function if isinstance(e, Apply) else e.sign], 0))

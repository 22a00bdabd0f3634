"""Runs a compiled condition over a row of measured values: a stack machine of flat arrays, bounded by its own length, without allocation.

Values are doubles, truth is 1, 0 or NaN for unknown; what operators mean with NaN is said in rules/evaluate.py, this kernel's naive twin.
rules/compile.py writes programs and bounds their stack: nothing is checked here.
"""

import math

import numpy as np

from core.codes import Op
from core.jit import kernel

STACK = 64  # values held at once, at most


@kernel
def run(code: np.ndarray, n: int, constants: np.ndarray, row: np.ndarray, stack: np.ndarray) -> float:
    """Give the value of a program of `n` instructions.

    `code`: int32[:, 2], an Op and its operand; `constants`: float64[]; `row`: float64[], NaN for what is missing; `stack`: float64[STACK].
    """
    top = 0  # values on the stack
    for k in range(n):
        op, operand = code[k, 0], code[k, 1]
        if op == Op.CONSTANT:
            stack[top] = constants[operand]
            top += 1
            continue
        if op == Op.LOAD:
            stack[top] = row[operand]
            top += 1
            continue
        if op == Op.NOT:
            stack[top - 1] = 1.0 - stack[top - 1]
            continue
        top -= 1
        left, right = stack[top - 1], stack[top]
        known = not (math.isnan(left) or math.isnan(right))
        value = math.nan
        if op == Op.ADD:
            value = left + right
        elif op == Op.SUBTRACT:
            value = left - right
        elif op == Op.MULTIPLY:
            value = left * right
        elif op == Op.DIVIDE:
            if right != 0.0:
                value = left / right
        elif op == Op.AND:
            if left == 0.0 or right == 0.0:
                value = 0.0
            elif known:
                value = 1.0
        elif op == Op.OR:
            if left == 1.0 or right == 1.0:
                value = 1.0
            elif known:
                value = 0.0
        elif known:
            if op == Op.GREATEST:
                value = max(left, right)
            elif op == Op.LEAST:
                value = min(left, right)
            elif op == Op.LESS:
                value = 1.0 if left < right else 0.0
            elif op == Op.LESS_EQUAL:
                value = 1.0 if left <= right else 0.0
            elif op == Op.GREATER:
                value = 1.0 if left > right else 0.0
            elif op == Op.GREATER_EQUAL:
                value = 1.0 if left >= right else 0.0
            elif op == Op.EQUAL:
                value = 1.0 if left == right else 0.0
            else:
                value = 1.0 if left != right else 0.0
        stack[top - 1] = value
    return stack[0]

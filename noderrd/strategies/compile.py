"""From a user's file to an address that the lane calls: checked, compiled and cached; or refused with the reason, the file and the line.

A module is generated for each content of the file: the user's text as it is, so that lines keep their numbers, and behind it a C callback around the
marked function. Its name holds a hash of the text, so an edit can never meet the machine code of an older text; beside it lies numba's cache, in a
folder that is named by a hash of everything else. The user's functions are compiled without a run time (`_nrt=False`): what allocates does not
compile. An address holds in one process only.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from core.jit import kernel
from core.layout import EVENT, INTENT, MAX_INTENTS, STATE_BYTES, VIEW
from noderrd.strategies import Strategy
from noderrd.strategies.source import Parameter, StrategyError, Text, read, refuse

TAIL = """

# What follows was added by noderrd.strategies.compile.
import numba as _numba
from noderrd.strategies import compile as _compile

_PARAMS, _STATE, _decide = _compile.decide(_text, {function}, globals())


@_numba.cfunc(_compile.CALLBACK, cache=True, error_model="numpy")
def _call(event, view, params, state, out):
    return _decide(
        _numba.carray(event, (1,), _compile.EVENT), _numba.carray(view, (1,), _compile.VIEW), _numba.carray(params, (1,), _PARAMS),
        _numba.carray(state, (1,), _STATE), _numba.carray(out, (_compile.MAX_INTENTS,), _compile.INTENT),
    )
"""
CALLBACK = types.int64(*[types.voidptr] * 5)
CONFIG: Any = numba.config  # its stubs do not know the settings
NOTHING = np.dtype([("unused", "i8")], align=True)  # numba has no empty records
ALLOCATES = re.compile(r"NRT required|ol_np_empty|_ol_array_allocate|returning of array")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
BOILERPLATE = re.compile(r"\s*(Failed in nopython|During:|raised from|File \"|- Resolution failure|$)")


__all__ = ["EVENT", "INTENT", "MAX_INTENTS", "VIEW", "Compiled", "Parameter", "StrategyError", "decide", "load"]


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A strategy ready to be called: int64 address(EVENT[1], VIEW[1], params[1], state[1], INTENT[16]). Keep it as long as the lane may call it."""

    file: str
    address: int
    timer_ns: int
    text: Text
    params_dtype: np.dtype
    state_dtype: np.dtype
    module: ModuleType

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Give what it declares as PARAMS."""
        return self.text.parameters

    def params(self, given: Mapping[str, float]) -> np.ndarray:
        """Give the record of parameters [1], defaults for what is not given. Raises StrategyError with every name or value that is not right."""
        block = np.zeros(1, self.params_dtype)
        known = [it.name for it in self.parameters]
        wrong = [f"it has no parameter {name} (it has {', '.join(known) or 'none'})" for name in given if name not in known]
        for it in self.parameters:
            value = given.get(it.name, it.default)
            if not it.low <= value <= it.high:
                wrong.append(f"{it.name} = {value:g}: {it.low:g} to {it.high:g} {it.unit} is allowed")
            elif it.whole and value != int(value):
                wrong.append(f"{it.name} = {value:g}: a whole number of {it.unit} is wanted")
            else:
                block[0][it.name] = value
        if wrong:
            raise refuse(self.file, self.text.params_line, "params", "; ".join(wrong))
        return block


def load(path: Path) -> Compiled:
    """Check and compile a file, or take it from the cache.

    Raises StrategyError with file and line for each reason, OSError when the file cannot be read. The numba cache must have been placed before
    (noderrd.lane.cache.prepare).
    """
    return _load(path, hashlib.sha256(path.read_bytes()).hexdigest()[:16])


@functools.lru_cache(maxsize=64)
def _load(path: Path, digest: str) -> Compiled:
    """Load a content once a process, so that its address stays the same."""
    text = read(path)
    module = _execute(text, _generate(text, path, digest))
    marked: Strategy = getattr(module, text.function)
    made = vars(module)
    return Compiled(str(path), int(made["_call"].address), marked.timer_ns, text, made["_PARAMS"], made["_STATE"], module)


def _generate(text: Text, path: Path, digest: str) -> Path:
    """Write the module, once for a content: its time stamp is part of numba's key."""
    if not CONFIG.CACHE_DIR:
        message = "noderrd.lane.cache.prepare must run before a strategy is loaded"
        raise RuntimeError(message)
    folder = Path(CONFIG.CACHE_DIR) / "strategies"
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"\W", "_", path.stem, flags=re.ASCII)[:64]
    file = folder / f"{stem}_{digest}.py"
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_text(text.source.text + TAIL.format(function=text.function), "utf-8")
        part.replace(file)
    return file


def _execute(text: Text, generated: Path) -> ModuleType:
    """Run the module: the user's constants and marks."""
    spec = importlib.util.spec_from_file_location(generated.stem, generated)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__["_text"] = text
    sys.modules[generated.stem] = module  # numba looks the module of a cached function up by its name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's constants may raise anything
        del sys.modules[generated.stem]
        if isinstance(error, StrategyError):
            raise
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(generated) and f.lineno]
        raise refuse(text.source.file, lines[-1] if lines else 1, "import", f"{type(error).__name__}: {error}") from error
    return module


def decide(text: Text, marked: Any, names: Mapping[str, Any]) -> tuple[np.dtype, np.dtype, Any]:
    """Compile a module's marked function: its record types of parameters and state, and the kernel. Raises StrategyError.

    Called by the generated module itself, because a C callback is cached only when it stands at a module's top level.
    """
    if not isinstance(marked, Strategy):
        raise refuse(text.source.file, text.line, "strategy", "it is not marked with noderrd.strategies.strategy")
    fields = [(it.name, "i8" if it.whole else "f8") for it in text.parameters]
    params = np.dtype(fields, align=True) if fields else NOTHING
    state = _state(text, names.get("STATE", NOTHING))
    arguments = tuple(types.Array(numba.from_dtype(dtype), 1, "C") for dtype in (EVENT, VIEW, params, state, INTENT))
    compiled: Any = kernel(marked.function)
    try:
        compiled.compile(arguments)
    except (NumbaError, UnsupportedBytecodeError, KeyError) as error:
        line, code, message = _explain(error, text.source.text, names["__file__"], text.line)
        raise refuse(text.source.file, line, code, message) from None
    returned = compiled.overloads[arguments].signature.return_type
    if not isinstance(returned, types.Integer | types.Boolean | types.IntegerLiteral):
        what = "nothing, on one path at least" if isinstance(returned, types.Optional | types.NoneType) else str(returned)
        raise refuse(text.source.file, text.line, "signature", f"{text.function} returns {what}: the number of intents that it wrote is wanted")
    return params, state, compiled


def _state(text: Text, given: object) -> np.dtype:
    """Give STATE. Raises StrategyError when the lane cannot keep it."""
    if not isinstance(given, np.dtype) or given.names is None:
        wrong = "STATE must be a record type: np.dtype([(name, type), ...], align=True)"
    elif given.hasobject:
        wrong = "STATE may not hold Python objects"
    elif not given.isalignedstruct:
        wrong = "STATE must be made with align=True"
    elif given.itemsize > STATE_BYTES:
        wrong = f"STATE has {given.itemsize} bytes: {STATE_BYTES} a symbol is what the lane keeps"
    else:
        return given if given.itemsize else NOTHING
    raise refuse(text.source.file, text.state_line, "state", wrong)


def _explain(error: Exception, source: str, generated: str, otherwise: int) -> tuple[int, str, str]:
    """Give the line, a code and one sentence for what numba said in many."""
    if isinstance(error, KeyError):  # numba's answer to a field that a record lacks, when it is written to
        nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and node.value == error.args[0])
        return next((node.lineno for node in nodes), otherwise), "compile", f"there is no field {error}"
    text = COLOURS.sub("", str(error))
    place = getattr(error, "loc", None)
    lines = [int(k) for k in re.findall(re.escape(generated) + r" \((\d+)\)", text)]
    if not lines and place is not None and place.filename == generated:
        lines = [place.line]
    line = lines[0] if lines else otherwise
    if ALLOCATES.search(text):
        return line, "allocation", "memory is taken here, for an array, a list, a string or the like: the lane has none to give"
    said = [one.strip() for one in text.splitlines() if not BOILERPLATE.match(one)]
    sentence = " ".join(said[:2]) if said and said[0].endswith(":") else (said or ["numba cannot compile it"])[0]
    return line, "compile", sentence[:300]

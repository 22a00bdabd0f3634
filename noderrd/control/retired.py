"""What stands in the slot of a strategy that the policy names no more: it trades nothing and is never called; positions stay under the old name."""

import numpy as np

from noderrd.strategies import strategy

PARAMS = ()
STATE = np.dtype([("unused", "i8")], align=True)


@strategy()
def on_event(_event: np.ndarray, _view: np.ndarray, _params: np.ndarray, _state: np.ndarray, _out: np.ndarray) -> int:
    """Do nothing."""
    return 0

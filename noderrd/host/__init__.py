"""The machine under the node: what it should be set to, what it is set to, and the way back.

A knob is one value of the kernel, a driver or a table, as text. `wanted` lists them with what is wanted and why, `tune` plans, applies, reads back
and undoes, `saved` keeps what stood there before. Runs in `noderrctl host` or the one-shot unit noderrd-tune, as root; blocks. `cpu`, `memory` and
`sockets` are what daemon and lane call for themselves.
"""

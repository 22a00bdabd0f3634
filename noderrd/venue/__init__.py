"""The exchange simulator, `noderrd venue`: a process of its own that speaks a Nasdaq exchange's protocols from a real matching engine.

Owns its books, its sequenced streams and its sockets. One trio thread: kernels (`desk`, `tell`, `flow`, `recording`) change the market and
write the messages that say so, `exchange` calls them, and what they wrote is stored and recorded before `feed` and `orders` send it. It may
block on nothing but writing the record file. `admin` answers questions about the truth. README.md beside this file is for its users.
"""

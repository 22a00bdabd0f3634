"""The exchange simulator, `noderrd venue`: a process of its own that speaks a Nasdaq exchange's protocols from a real matching engine.

Owns its books, its sequenced streams and its sockets. One trio thread: kernels (`desk`, `tell`, `flow`, `recording`, called through `engine`)
change the market and write the messages that say so; `exchange` calls them, and `record` keeps cause and effects before `feed` and `orders`
send anything. `service` holds the clock and what happens by itself, `admin` answers questions about the truth. It may block on nothing but
writing the record file. docs/venue.md is for its users.
"""

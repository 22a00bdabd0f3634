"""The exchange simulator, `noderrd venue`: a process of its own that speaks a Nasdaq exchange's protocols from a real matching engine.

Owns its books, its sequenced streams and its sockets. One trio thread: kernels (`desk`, `tell`, `flow`, `recording`, called through `engine`)
change the market and write the messages that say so; `exchange` calls them, `control` and `auction` do what operators and the calendar ask for, and
`record` keeps cause and effects before anything is sent. `feed`, `orders`, `glimpse` and `admin` are the doors (`soup` is what the TCP ones share,
`faults` what goes wrong behind the first); `service` holds the clock and what happens by itself. It may block on nothing but writing the record
file. docs/venue.md is for its users.
"""

"""Where market data comes from: sockets for the lane, files for replay. Opens and reads; decoding is core's. May block on files, never on sockets."""

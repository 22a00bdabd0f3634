"""The guard: a small process beside each lane that holds duplicates of its order sockets and acts when the lane does not.

Acts on lanes only, from shared memory and sockets; loads neither numba nor trio. One process a lane, one thread; it blocks on nothing but its own
cancel session, which is bounded.
"""

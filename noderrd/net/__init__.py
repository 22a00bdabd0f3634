"""The network seen from this host, and a way past the kernel's stack.

`noderrctl net bench` measures round trips against `noderrd echo`, `net probe` how far the venues are; `xdp` takes a feed's datagrams by AF_XDP.

`echo` runs as a process of its own on the other host, threads that block or spin; the rest runs in the caller's process and blocks. The lane polls
`xdp_ring.receive` where it is configured to; it neither allocates nor makes a system call.
"""

"""The daemon, `noderrd run`: configuration and policy in, lanes and journal writers started and watched, questions answered.

One trio thread, never on the order path: it reads the lanes' shared memory and writes single words and commands. `resolve` makes a lane's spec of
configuration and policy, `supervise` keeps its processes running, `answers` turns shared memory into JSON, `server` talks to noderrctl. It may block
for a few milliseconds where a process is started (a parent-death signal and trio's worker threads do not go together).
"""

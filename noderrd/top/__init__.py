"""`noderrctl top`: what the node does, on one terminal of 80 x 24.

Runs in the user's shell; asks the daemon's socket a few times a second. `page` turns answers into text, `app` is the terminal around it.
"""

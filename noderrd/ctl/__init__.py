"""`noderrctl`: one module a verb. Most put a question to the daemon's socket; some work on files without it.

Runs in the user's shell; imports no trio, numba or onnxruntime for what only asks.
"""

"""The language server of rules files: what an editor asks, answered from the same parser and checker as everything else.

Runs as a process of its own, started by the editor (`noderrctl rules lsp`), and speaks on stdin and stdout; it opens no socket and asks no daemon.
"""

"""The daemon: trio services, input and output, and the lane process. Imports rules and core, never the other way."""

"""The model that ships, the script that makes it, and what it learns from. Nothing here runs in a lane: a model reaches it as an ONNX file."""

"""The policy language: text in, values out. Callers hand in how a path is read; nothing here touches the world."""

"""Search methods, one per file, loaded by name; what several of them share is in ``common/``."""

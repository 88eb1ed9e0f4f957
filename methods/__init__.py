"""Search methods, one per file; files that begin with an underscore are shared pieces. Loaded by name."""

"""Records read into values that all forms of the report share."""

"""Finds methods, data sets and spaces by name, and reads what their files state."""

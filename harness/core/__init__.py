"""Values and contracts; standard library and NumPy only."""

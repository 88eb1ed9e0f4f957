"""Tables that were made by this project, with ``python -m harness tabulate``."""

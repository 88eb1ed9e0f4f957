"""Measurements: ratios against goals (``tox -e bench``), and programs that print a table."""

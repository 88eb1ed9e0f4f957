"""Puts this directory on the import path, so that tests/contract finds ``fakes`` too."""

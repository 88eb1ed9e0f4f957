"""The exception for bad input."""

from __future__ import annotations


class InputError(Exception):
    """The user's input cannot be used.

    The message is one sentence that says what is wrong and what to do. The command line prints it without a traceback
    and exits with code 2.
    """

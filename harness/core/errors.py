"""The one exception that stands for bad input: a sentence for the person at the keyboard."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong and what to do; the command line prints it without a
    traceback and exits with code 2.
    """

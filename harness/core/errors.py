"""The exceptions that are one sentence for a person."""

from __future__ import annotations


class InputError(Exception):
    """The user's input cannot be used.

    The message is one sentence that says what is wrong and what to do. The command line prints it without a traceback
    and exits with code 2.
    """


class StorageError(Exception):
    """Something could not be written, in the middle of the work; what was done before is stored.

    The message is one sentence that says what is stored and how to go on. The command line prints it without a
    traceback and exits with code 4.
    """

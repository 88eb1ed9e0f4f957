"""Data sets, one file each: a module named ``x`` exports ``DATASET``, the :class:`DatasetSource` of the set ``x``.

``folder`` stands for any directory of the user's and exports ``source(path)`` instead. Modules whose names begin with
an underscore hold what several sets share. Importing any of them costs no more than importing NumPy: Pillow, the
network and subprocesses are touched inside functions only.
"""

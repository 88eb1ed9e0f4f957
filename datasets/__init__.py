"""Data sets, one file each: a module named ``x`` exports ``DATASET``, the :class:`DatasetSource` of the set ``x``.

``folder`` and ``table`` stand for data of the user's own and export ``source(path)`` instead. ``common/`` holds what
several sets share. Importing any of them costs no more than importing NumPy: Pillow, the network and subprocesses are
touched inside functions only.
"""

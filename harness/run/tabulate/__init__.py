"""A table of one's own: trains the architectures of a space and writes what ``--datasets table:FILE.csv`` reads.

In the order in which to read it: :mod:`~harness.run.tabulate.request` (what the command asks for),
:mod:`~harness.run.tabulate.architectures` (which networks that means), :mod:`~harness.run.tabulate.sheet` (the file),
:mod:`~harness.run.tabulate.work` (trains one network, inside a process of the back end) and
:mod:`~harness.run.tabulate.tabulation` (the parent: keeps the back end busy, scores with the test labels, writes).

Each network is trained twice per seed, as it would be in a run: once by the profile's proxy recipe, which gives the
*signal*, and once by its final recipe on train and validation images together, which gives the *score*. One training
for both would be a seventh cheaper in the profile ``tabulate``, but its schedule would be the long one, under which an
early validation says less than after a short training of its own; and the noise of that training would be in the
signal and in the score, so that a search would be told more than it could know.
"""

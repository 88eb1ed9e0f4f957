"""Writes the record of a run; the only reader of what no search may see: test labels, and the scores of a table.

Runs in the parent process, after the last phase of a run has ended. Neither ever leaves it.

:mod:`~harness.run.scoring.records` makes the record; :mod:`~harness.run.scoring.labels` scores runs on images and
:mod:`~harness.run.scoring.scores` those on tables. :mod:`~harness.run.scoring.recount` counts again what a search has
been charged, :mod:`~harness.run.scoring.fields` looks at what a process has written, and
:mod:`~harness.run.scoring.metrics` computes from stored predictions.
"""

from harness.run.scoring.labels import HiddenLabels as HiddenLabels
from harness.run.scoring.records import Scorer as Scorer
from harness.run.scoring.records import finish as finish
from harness.run.scoring.scores import HiddenScores as HiddenScores

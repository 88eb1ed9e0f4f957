"""From a command to records.

A *run* is one method on one data set with one seed; its directory and its record go by that name. A *command* asks for
many runs. A *job* is a run that is still to be done; its *phases* are the search and, on images, the final training.

The way of a command, in the order in which to read it:

1. :mod:`~harness.run.request`: what the command asks for, as a value.
2. :mod:`~harness.run.plan`: looks at every name, file and directory, prepares the data (:mod:`~harness.run.images`,
   :mod:`~harness.run.tables`), and makes a :class:`~harness.run.job.Job` of each run that is not over.
3. :mod:`~harness.run.scheduler`: hands the jobs, phase by phase, to a back end (:mod:`harness.run.backends`), which
   works each off in a process of its own:
   :mod:`~harness.run.search`, behind the fence (:mod:`~harness.run.fence`), then :mod:`~harness.run.final`.
4. :mod:`~harness.run.scoring`: reads what they left, scores it with what no search may see, and writes the record.

Beside the way: :mod:`~harness.run.profiles` (budgets and recipes), :mod:`~harness.run.store` (files of a run's
directory), :mod:`~harness.run.journal` (the log of a search, and its resume), :mod:`~harness.run.claims` (which command
has a run), :mod:`~harness.run.progress` (what the person who waits sees) and :mod:`~harness.run.provenance` (where a
number comes from).
"""

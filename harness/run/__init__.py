"""From a command to records.

A *run* is one method on one data set with one seed; its directory and its record go by that name. A *command* asks for
many runs. A *job* is a run that is still to be done; its *phases* are the search and, on images, the final training.

The way of a command, in the order in which to read it:

1. :mod:`~harness.run.request`: what the command asks for, as a value; :mod:`~harness.run.fitting`: which profile
   fits its data sets.
2. :mod:`~harness.run.plan`: looks at every name, file and directory, prepares the data (:mod:`~harness.run.images`,
   whose validation images :mod:`~harness.run.parts` chooses, and :mod:`~harness.run.tables`), and makes a job
   (:mod:`~harness.run.job`) of each run that is not over.
3. :mod:`~harness.run.scheduler`: hands the jobs, phase by phase, to a back end (:mod:`harness.run.backends`), which
   works each off in a process of its own:
   :mod:`~harness.run.search`, behind the fence (:mod:`~harness.run.fence`) and, if the command allows it, with several
   children at the same time (:mod:`~harness.run.children`), then :mod:`~harness.run.final`.
4. :mod:`~harness.run.scoring`: reads what they left, counts again what was charged, scores it with what no search may
   see, and writes the record.

Another way: :mod:`~harness.run.tabulate` trains the architectures of a small space and writes a table of them; it has
no searches and a loop of its own over the same back ends.

Beside the ways: :mod:`~harness.run.profile` (what a profile is) and :mod:`~harness.run.profiles` (which there are),
:mod:`~harness.run.store` (files of a run's directory), :mod:`~harness.run.journal` (the log of a search, and its
resume), :mod:`~harness.run.claims` (which command has a run), :mod:`~harness.run.progress` (what the person who waits
sees) and :mod:`~harness.run.provenance` (where a number comes from).
"""

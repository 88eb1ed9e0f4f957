"""From a request to jobs: every name, file and directory is looked at before any work is done.

In the order in which to read it: :mod:`~harness.run.plan.datasets` finds and loads the data sets,
:mod:`~harness.run.plan.rows` says which rows the tables get, with the zero lines of
:mod:`~harness.run.plan.zero_lines`, and :mod:`~harness.run.plan.jobs` makes jobs of those that are still to be done.
"""

from harness.run.plan.jobs import Plan, check_writable, make_plan

__all__ = ["Plan", "check_writable", "make_plan"]

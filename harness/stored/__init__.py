"""What a valid record is, a valid row of a log, and a run that has ended: whoever reads what a run has left asks here.

A search may have put anything into its logs, and a disk or a hand anything anywhere. What passes here can be sorted,
computed with and printed.
"""

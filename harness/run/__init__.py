"""One method on one data set with one seed becomes one record: plug-ins, child processes, resume, final scoring."""

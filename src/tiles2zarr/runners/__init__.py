"""Running a plan: on this machine, in threads and processes."""

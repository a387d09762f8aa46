"""The monitor: keeps the verified second copy of the log, and answers what was done, by whom and why."""

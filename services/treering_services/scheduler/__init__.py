"""The scheduler: a process manager. Events of jobs and nodes come in, assignments and losses go out."""

"""The command line: noun and verb, as in ``az ml``. Everything heavy is imported by the command that needs it."""

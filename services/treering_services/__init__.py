"""The services of treering: thin shells that receive, execute and reply."""

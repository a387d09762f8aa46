"""The registry: the one writer of the event log. It decides commands and appends their events."""

"""Talks to a treering installation over HTTP: what the command line and other Python programs use."""

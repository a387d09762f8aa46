"""Patterns of event types: ``*`` stands for any characters, everywhere in one: ``job.*``, ``*.failed``."""

from __future__ import annotations

STARS_MAX = 8


def is_pattern(text: str) -> bool:
    return "*" in text


def matches(pattern: str, text: str) -> bool:
    begin, *parts = pattern.split("*")
    if not parts:
        return text == pattern
    if not text.startswith(begin):
        return False
    at = len(begin)
    *parts, end = parts
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return text.endswith(end) and len(text) - len(end) >= at


def begin_of(pattern: str) -> str:
    """How every text begins that matches."""
    return pattern.partition("*")[0]

"""Reads from bubblewrap's reports how a command ended in its sandbox. Standard library only.

bubblewrap writes JSON documents, one a line, to the descriptor of ``--json-status-fd``: first ``{"child-pid": ...}``,
and when the command was executed and has ended ``{"exit-code": n}`` (bwrap(1)). It says 128+n for a command that was
ended by signal n, as shells do; so a command that exits with 137 by itself cannot be told from one that was killed,
and counts as killed.
"""

from __future__ import annotations

import json
import signal

SIGNAL_BASE = 128
# Signals that end no process unless it asked to be told (signal(7)): an exit code that looks like one is a plain code.
HARMLESS = {
    signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT,
    signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
FATAL = frozenset(int(number) for number in signal.valid_signals() - HARMLESS)


def ending(code: int, said: str, command: str) -> tuple[int, str]:
    """Exit code (negative: the signal) and error of the command; ``code`` and ``said`` are the sandbox's own.

    A negative ``code`` stays: the sandbox itself was killed, with all that ran in it.
    """
    if code < 0 or (said and not said.startswith("{")):
        return code, said
    reported = exit_code(said)
    if reported is None:
        return code, f"cannot run the command {command}: the sandbox says why in the output of the job"
    if reported - SIGNAL_BASE in FATAL:
        return SIGNAL_BASE - reported, ""
    return reported, ""


def exit_code(said: str) -> int | None:
    """The command's own, as bubblewrap reported it; None when the command was never executed."""
    for line in said.splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            continue
        if "exit-code" in report:
            return int(report["exit-code"])
    return None

"""What a forked child does to become the command it was forked for. Standard library only."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any, NoReturn

from treering.adapters.process_groups import Containment
from treering.adapters.spawner_job import ERROR_BYTES_MAX

PR_SET_PDEATHSIG = 1
FIRST_FREE_DESCRIPTOR = 5  # A child's 0 to 4: nothing, output, output, go, errors.
prctl = ctypes.CDLL(None).prctl


def become(spec: dict[str, Any], containment: Containment, group: str, spawner: int, fds: tuple[int, ...]) -> NoReturn:
    """In the child: wait for the go byte inside the group, then be the command. Never returns."""
    doing = "prepare the process"
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != spawner:
            os._exit(0)
        os.setsid()
        restore_signals()
        for target, source in enumerate(fds, start=1):
            os.dup2(source, target, inheritable=target < 3)
        os.closerange(FIRST_FREE_DESCRIPTOR, os.sysconf("SC_OPEN_MAX"))
        doing = "join its group"
        containment.join(group)
        if os.read(3, 1) != b"g":
            os._exit(0)
        doing = f"enter the folder {spec['cwd']}"
        os.chdir(spec["cwd"])
        doing = f"run the command {spec['argv'][0]}"
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except BaseException as error:
        text = getattr(error, "strerror", None) or str(error)
        os.write(4, f"cannot {doing}: {text}".encode(errors="replace")[:ERROR_BYTES_MAX])
    finally:
        os._exit(127)


def restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

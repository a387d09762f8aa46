"""What a forked child does to become the command it was forked for. Standard library only."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from typing import Any, NoReturn

from treering.adapters.descriptors import give_back_limit
from treering.adapters.process_groups import Containment
from treering.adapters.sandbox import root_swap
from treering.adapters.sandbox.closed_calls import close_calls
from treering.adapters.sandbox.inside import become_user, hand_over, scope
from treering.adapters.sandbox.private_network import enter
from treering.adapters.spawner_job import ERROR_BYTES_MAX

PR_SET_PDEATHSIG = 1
FIRST_FREE_DESCRIPTOR = 5  # A child's 0 to 4: nothing, output, output, go, errors. Then what its sandbox is given.
OOM_SCORE = 500  # of -1000 to 1000, added to the share of the memory in thousandths (proc(5))
prctl = ctypes.CDLL(None).prctl


def become(
    spec: dict[str, Any], containment: Containment, group: str, spawner: int, fds: tuple[int, ...], channel: int = -1
) -> NoReturn:
    """In the child: wait for the go byte inside the group, then be the command. Never returns."""
    doing = "prepare the process"
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != spawner:
            os._exit(0)
        os.setsid()
        restore_signals()
        be_first_when_memory_is_short()
        give_back_limit()
        leave_processes_to_others()
        if channel >= 0:
            doing = "make its network"
            enter(channel, *spec["gateway"])
            doing = "prepare the process"
        for target, source in enumerate(fds, start=1):
            os.dup2(source, target, inheritable=target < 3)
        os.closerange(FIRST_FREE_DESCRIPTOR, os.sysconf("SC_OPEN_MAX"))
        if spec["swapped_uid"]:
            doing = "give its folders to the user of the job"
            namespace = root_swap.prepare(spec["swapped_uid"], spec["own"])
        doing = "join its group"
        containment.join(group)
        if os.read(3, 1) != b"g":
            os._exit(0)
        doing = "become the user of the job"
        if spec["uid"]:
            become_user(spec["uid"])
        elif spec["swapped_uid"]:
            root_swap.enter(namespace, spawner)
        if spec["scoped"]:
            scope()
            close_calls()
        doing = f"enter the folder {spec['cwd']}"
        os.chdir(spec["cwd"])
        doing = f"run the command {spec['command']}"
        if spec["arguments"]:
            hand_over(spec["arguments"], errors=4)
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except BaseException as error:
        text = getattr(error, "strerror", None) or str(error)
        os.write(4, f"cannot {doing}: {text}".encode(errors="replace")[:ERROR_BYTES_MAX])
    finally:
        os._exit(127)


def be_first_when_memory_is_short() -> None:
    """A command that takes all memory should be ended for it, not our services, nor those of other people."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
        if int(file.read()) < OOM_SCORE:
            file.write(b"%d" % OOM_SCORE)


def leave_processes_to_others() -> None:
    """A command that forks without end takes half of the process numbers that there are, and not the last one: then
    nobody could start a process, to end it for example. The kernel counts by user and, since Linux 5.14, those within
    the command's own namespace of users."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    with suppress(OSError, ValueError):
        with open("/proc/sys/kernel/pid_max", "rb", buffering=0) as file:
            half = int(file.read()) // 2
        most = [half if one == resource.RLIM_INFINITY else min(one, half) for one in (soft, hard)]
        resource.setrlimit(resource.RLIMIT_NPROC, (most[0], most[1]))


def restore_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])

"""The small process that starts jobs: forking it takes a millisecond, and it outlives nobody's patience.

Started by ``launcher.py`` as ``python -I -S spawner.py FD PARENT MODE``; it speaks JSON messages over the
socket FD. It is a subreaper, so orphans of jobs become its children. It kills every group it started when
the executor is gone (end of the socket) or has not said for too long that it is alive (``keep_alive``).

It never waits for one job or for the executor: kills are repeated and answers sent when their time has come.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from treering.adapters.containment import choose
from treering.adapters.memory_kills import memory_kills
from treering.adapters.process_groups import Containment, group_name
from treering.adapters.process_tree import signal_all
from treering.adapters.sandbox.closed_ports import close_ports
from treering.adapters.spawner_child import FIRST_FREE_DESCRIPTOR, become, prctl
from treering.adapters.spawner_job import Job

PR_SET_CHILD_SUBREAPER = 36
MESSAGE_BYTES_MAX = 16 * 1024
KILL_SECONDS_MAX = 10.0
STRAYS_SECONDS_MAX = 1.0
KILL_AGAIN_SECONDS = 0.003
LOOK_AGAIN_SECONDS = 0.02
IDLE_SECONDS = 3600.0
NO_PORT = "NATS does not listen on this machine's loopback"


class Spawner:
    def __init__(self, channel: socket.socket, containment: Containment, still_open: str) -> None:
        """``still_open``: why the ports of the platform are not closed to jobs, "" when they are."""
        self.still_open = still_open
        self.channel = channel
        self.containment = containment
        self.jobs: dict[str, Job] = {}
        self.answers: deque[bytes] = deque()  # Bounded by what the executor asks: two a launch.
        self.alive_until = float("inf")
        self.connected = True
        self.wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Until the executor is gone and nobody that was started is left."""
        poll = select.poll()
        poll.register(self.wake_read, select.POLLIN)
        self.say(did="ready", mode=self.containment.mode, still_open=self.still_open)
        while self.connected or self.jobs:
            if self.connected:
                poll.register(self.channel, select.POLLIN | (select.POLLOUT if self.answers else 0))
            for descriptor, _ in poll.poll(self.next_seconds() * 1000):
                if descriptor == self.wake_read:
                    os.read(self.wake_read, 4096)
                elif not self.receive():
                    self.connected = False
                    poll.unregister(self.channel)
                    self.kill_all()
            self.reap()
            self.end_grace_of_the_gone()
            self.kill_what_is_due()
            self.send_answers()
        self.containment.remove_parent()

    def next_seconds(self) -> float:
        now = time.monotonic()
        due = [max(job.kill_at, now + KILL_AGAIN_SECONDS) for job in self.jobs.values() if job.kill_at is not None]
        # Orphans in a sandbox are not our children: nothing wakes us when the last of them ends.
        due += [now + LOOK_AGAIN_SECONDS for job in self.jobs.values() if job.sandboxed and job.in_grace(now)]
        return max(0.0, min([IDLE_SECONDS, self.alive_until - now, *(at - now for at in due)]))

    def receive(self) -> bool:
        """Act on one message; False when the executor is gone."""
        try:
            data, fds, _, _ = socket.recv_fds(self.channel, MESSAGE_BYTES_MAX, 3, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        if not data:
            return False
        message = json.loads(data)
        job = self.jobs.get(message.get("name", ""))
        match message["do"]:
            case "launch":
                self.launch(message["name"], fds)
            case "go" if job is not None:
                job.begin()
            case "kill" if job is not None:
                self.kill(job, message["grace_seconds"])
            case "keep_alive":
                self.alive_until = time.monotonic() + message["seconds"]
        for descriptor in fds:
            os.close(descriptor)
        return True

    def launch(self, name: str, fds: list[int]) -> None:
        try:
            job = self.jobs[name] = self.fork(name, fds)
        except OSError as error:
            self.say(did="ended", name=name, code=127, seconds=0.0, error=f"no process can be started: {error}")
        else:
            self.say(did="launched", name=name, pid=job.pid)

    def fork(self, name: str, fds: list[int]) -> Job:
        if len(fds) not in (2, 3):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # The kernel drops what exceeds our limit.
        output, wish, *channel = fds
        spec = json.loads(os.pread(wish, os.fstat(wish).st_size, 0))
        group = group_name(name)
        self.containment.create(group)
        spawner = os.getpid()
        (go_read, go_write), (error_read, error_write) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = self.containment.fork(group)
            if pid == 0:
                become(spec, self.containment, group, spawner, (output, output, go_read, error_write), *channel)
        except OSError:
            os.close(go_write)
            os.close(error_read)
            raise
        finally:
            os.close(go_read)
            os.close(error_write)
        sandboxed = spec["command"] if spec["arguments"] else ""
        return Job(name, pid, go_write, error_read, memory_kills(self.containment.folder(group)), sandboxed)

    def kill(self, job: Job, grace_seconds: float) -> None:
        if grace_seconds > 0 and job.began_at and job.kill_at is None:
            signal_all(self.inside(job), signal.SIGTERM)
            job.kill_in(grace_seconds)
        else:
            job.kill_in(0.0)

    def inside(self, job: Job) -> list[int]:
        """The processes of the job that are to end by themselves. Its sandbox is not among them but stopped: it would
        kill the others as soon as the first of them has ended.
        """
        if job.sandboxed and job.pid is not None:
            os.kill(job.pid, signal.SIGSTOP)
        members = self.containment.members(job.group, job.pid)
        return [pid for pid in members if not job.sandboxed or pid != job.pid]

    def kill_all(self) -> None:
        for job in self.jobs.values():
            job.kill_in(0.0)

    def lose_all(self, why: str) -> None:
        for job in self.jobs.values():
            job.lost = job.lost or (why if job.kill_at is None else "")
        self.kill_all()

    def end_grace_of_the_gone(self) -> None:
        """A shell ends at SIGTERM, what it was waiting for may need all its grace: until nobody is left."""
        now = time.monotonic()
        for job in self.jobs.values():
            if not job.in_grace(now):
                continue
            members = self.containment.members(job.group)
            if job.pid is None and not members:
                job.kill_in(0.0)
            elif job.sandboxed and job.pid is not None and members == [job.pid]:
                os.kill(job.pid, signal.SIGCONT)  # Only the sandbox is left: it says how the command ended.

    def kill_what_is_due(self) -> None:
        now = time.monotonic()
        if now > self.alive_until:
            self.alive_until = float("inf")
            self.lose_all("its executor was silent for too long, so everything was ended")
        for job in [job for job in self.jobs.values() if job.kill_at is not None and job.kill_at <= now]:
            job.give_up_at = job.give_up_at or now + KILL_SECONDS_MAX
            gone = self.containment.strike(job.group, job.pid)
            self.reap()
            if (gone and job.pid is None) or now > job.give_up_at:
                self.ended(job, gone)
            elif gone and job.pid is not None:
                os.kill(job.pid, signal.SIGKILL)  # It may not have joined its group yet.

    def reap(self) -> None:
        by_pid = {job.pid: job for job in self.jobs.values()}
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if job := by_pid.get(pid):
                    job.reaped(status)

    def ended(self, job: Job, gone: bool) -> None:
        """Nobody of the group is left, or nothing helps: say how it ended."""
        if not gone:
            job.error = f"processes of the job were still there {KILL_SECONDS_MAX:g} s after they were killed"
            job.alive = True
        job.close()
        del self.jobs[job.name]
        until = time.monotonic() + STRAYS_SECONDS_MAX
        while not self.jobs and not self.containment.strike_strays() and time.monotonic() < until:
            self.reap()
        memory = {"memory_limit_bytes": job.kills.limit_bytes(), "out_of_memory": True} if job.out_of_memory else {}
        self.say(
            did="ended", name=job.name, code=job.code, seconds=job.seconds, error=job.error, lost=job.lost,
            alive=job.alive, **memory,
        )  # fmt: skip

    def say(self, **message: Any) -> None:
        self.answers.append(json.dumps(message).encode())

    def send_answers(self) -> None:
        try:
            while self.answers:
                self.channel.send(self.answers[0])
                self.answers.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.answers.clear()  # The end of the socket is noticed by ``receive``.


def main() -> None:
    while os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) < FIRST_FREE_DESCRIPTOR:
        continue  # Take the numbers that a child's descriptors will have.
    given = int(sys.argv[1])
    channel = socket.socket(fileno=os.dup(given))
    os.dup2(0, given, inheritable=False)
    channel.setblocking(False)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # The executor ends us, by closing the socket.
    try:
        containment = choose(sys.argv[2], sys.argv[3])
        ports = [int(port) for port in sys.argv[4].split(",") if port]
        addresses = [address for address in sys.argv[5].split(",") if address]
        why = close_ports(containment.folder(""), ports, addresses)
        still_open = why if ports else NO_PORT
    except OSError as error:
        channel.send(json.dumps({"did": "failed", "error": str(error)}).encode())
    else:
        Spawner(channel, containment, still_open).run()


if __name__ == "__main__":
    main()

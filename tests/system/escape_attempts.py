"""Ways out of a sandbox, tried from inside a job: `python escape_attempts.py` prints how each ended, as JSON.

One table. A try is a function that returns something true when it got out. The job that runs this file gets what it
needs to know of its surroundings in ESCAPE_* variables: an attacker would find or guess it. Standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import glob
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Try = Callable[[], Any]
TRIES: dict[str, Try] = {}
SECONDS_MAX = 10
SECRET = b"the secret of a bystander"
ABSTRACT = "\0treering-escape"
SHM_KEY, SHM_BYTES = 0x7EE812, 4096
KEY_NAME = b"treering-escape"
QUEUE = b"/treering-escape"
libc = ctypes.CDLL(None, use_errno=True)
HOME = Path(os.environ.get("ESCAPE_HOME", "/nowhere"))
OPERATOR = Path(os.environ.get("ESCAPE_OPERATOR", "/nowhere"))
OTHER_JOB = HOME / "runs" / "local" / "main.other.1" / "code"
PID = int(os.environ.get("ESCAPE_PID", "0"))
FILE = int(os.environ.get("ESCAPE_FILE", "0"))
ADDRESS = int(os.environ.get("ESCAPE_ADDRESS", "0"))
NATS_PID = int(os.environ.get("ESCAPE_NATS_PID", "0"))
NATS_PORT = int(os.environ.get("ESCAPE_NATS_PORT", "0"))
FOLDER = Path(os.environ.get("HOME", "/nowhere")).parent


def attempt(take: Try) -> Try:
    TRIES[take.__name__] = take
    return take


def reading(name: str, where: Callable[[], Any]) -> None:
    def take() -> Any:
        path = next(iter(sorted(glob.glob(str(where())))))
        return Path(path).read_bytes()[:100]

    TRIES[name] = take


def writing(name: str, where: Callable[[], Any]) -> None:
    """Make a file, and take it away again. A folder in memory that stands at the same place does not count."""

    def take() -> Any:
        path = Path(where()) / "escape-was-here"
        if not str(path).startswith(("/usr", "/etc")) and path.parent.stat().st_dev != os.stat(".").st_dev:
            return False
        path.write_text("x")
        path.unlink()
        return path

    TRIES[name] = take


def opening(name: str, path: str, flags: int = os.O_RDONLY) -> None:
    def take() -> Any:
        found = sorted(glob.glob(path))
        return os.open(found[0], flags) >= 0

    TRIES[name] = take


def call(number: int, *arguments: Any) -> int:
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def checked(result: int) -> bool:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return True


def permitted(number: int, *arguments: Any) -> bool:
    """The call is made with arguments that the kernel finds wrong, once it has found that we may make it."""
    libc.syscall(number, *arguments)
    code = ctypes.get_errno()
    if code in (1, 13, 38):  # EPERM, EACCES, ENOSYS
        raise OSError(code, os.strerror(code))
    return True


reading("read_the_owners_token", lambda: HOME / "token")
reading("read_the_key_that_signs_job_tokens", lambda: HOME / "keys" / "job-token.key")
reading("read_the_token_of_joining_nodes", lambda: HOME / "keys" / "join-token")
reading("read_any_key", lambda: HOME / "keys" / "*")
reading("read_the_settings_of_nats", lambda: HOME / "nats" / "*.conf")
reading("read_the_streams_of_nats", lambda: HOME / "nats" / "**" / "*.blk")
reading("read_a_view", lambda: HOME / "views" / "*" / "*.db")
reading("read_the_second_copy_of_the_log", lambda: HOME / "copy" / "log.db")
reading("read_the_code_of_another_job", lambda: OTHER_JOB / "secret")
reading("read_a_file_in_the_operators_home", lambda: OPERATOR / "secret")
reading("read_shared_memory_of_another_process", lambda: "/dev/shm/treering-escape")
reading("read_a_temporary_file_of_another_process", lambda: "/tmp/treering-escape")
reading("read_passwords_of_the_machine", lambda: "/etc/shadow")
reading("read_a_file_of_root_deep_in_opt", lambda: "/opt/treering-escape/two/three/four/secret")
reading("read_a_file_of_root_among_programs", lambda: "/usr/share/treering-escape/two/secret")
reading("read_a_file_of_root_that_is_newer_than_the_executor", lambda: "/etc/treering-escape/two/secret")
reading("read_through_the_root_of_another_process", lambda: f"/proc/{PID}/root/{OPERATOR}/secret")
reading("read_through_the_folder_of_another_process", lambda: f"/proc/{PID}/cwd/secret")
reading("read_a_file_that_another_process_has_open", lambda: f"/proc/{PID}/fd/{FILE}")
reading("read_the_variables_of_another_process", lambda: f"/proc/{PID}/environ")
reading("read_the_variables_of_nats", lambda: f"/proc/{NATS_PID}/environ")
reading("read_the_maps_of_another_process", lambda: f"/proc/{PID}/maps")
writing("write_into_the_blob_store", lambda: HOME / "blobs")
writing("write_among_the_views", lambda: HOME / "views")
writing("write_among_the_keys", lambda: HOME / "keys")
writing("write_into_the_folder_of_another_job", lambda: OTHER_JOB)
writing("write_into_the_home_of_the_installation", lambda: HOME)
writing("write_among_the_shims_of_all_jobs", lambda: HOME / "shims" / "bin")
writing("write_beside_the_environments_of_all_jobs", lambda: HOME / "envs")
writing("write_into_the_operators_home", lambda: OPERATOR)
writing("write_into_the_folder_of_the_attempt_where_its_log_is", lambda: FOLDER)
writing("write_among_the_programs_of_the_machine", lambda: "/usr/local/bin")
writing("write_among_the_settings_of_the_machine", lambda: "/etc")
opening("open_the_memory_of_the_machine", "/dev/mem")
opening("open_the_kernel_log_for_writing", "/dev/kmsg", os.O_WRONLY)
opening("open_a_disk", "/dev/[vs]da")
opening("open_the_magic_request_key", "/proc/sysrq-trigger", os.O_WRONLY)
opening("open_the_core_pattern_for_writing", "/proc/sys/kernel/core_pattern", os.O_WRONLY)
opening("open_the_memory_image_of_the_kernel", "/proc/kcore")
opening("open_settings_of_the_kernel_for_writing", "/proc/sys/vm/drop_caches", os.O_WRONLY)
opening("open_the_tracer_of_the_kernel", "/sys/kernel/tracing/trace")
opening("open_the_memory_of_the_first_process", "/proc/1/mem", os.O_RDWR)
opening("open_a_file_system_driver", "/dev/fuse", os.O_RDWR)
opening("open_the_network_tunnel_driver", "/dev/net/tun", os.O_RDWR)


@attempt
def change_a_file_of_the_environment() -> Any:
    path = next(Path(os.environ["VIRTUAL_ENV"]).glob("lib/python*/site-packages/*.p*"))
    path.chmod(0o644)
    with path.open("ab"):
        return path


@attempt
def link_a_blob_into_the_own_folder() -> Any:
    blob = next(path for path in (HOME / "blobs").rglob("*") if path.is_file())
    os.link(blob, "linked")
    return os.stat("linked").st_nlink > 1


@attempt
def change_a_blob_that_is_there() -> Any:
    blob = next(path for path in (HOME / "blobs").rglob("*") if path.is_file())
    blob.chmod(0o644)
    with blob.open("ab"):
        return blob


@attempt
def read_the_token_of_another_job_from_its_variables() -> Any:
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if b"ESCAPE_TOKEN=" in path.read_bytes():
                return path
    return None


@attempt
def find_another_process() -> Any:
    return any(b"escape_bystander" in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))


@attempt
def read_the_memory_of_another_process() -> Any:
    with open(f"/proc/{PID}/mem", "rb") as memory:
        memory.seek(ADDRESS)
        return memory.read(len(SECRET)) == SECRET


@attempt
def copy_the_memory_of_another_process() -> Any:
    there = (ctypes.c_size_t * 2)(ADDRESS, len(SECRET))
    buffer = ctypes.create_string_buffer(len(SECRET))
    here = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), len(SECRET))
    return call(310, PID, here, 1, there, 1, 0) == len(SECRET)


@attempt
def trace_another_process() -> Any:
    return checked(libc.ptrace(0x4206, PID, 0, 0))


@attempt
def take_a_descriptor_of_another_process() -> Any:
    return call(438, os.pidfd_open(PID), FILE, 0) >= 0


@attempt
def signal_another_process() -> Any:
    os.kill(PID, 0)
    return True


@attempt
def signal_the_nats_server() -> Any:
    os.kill(NATS_PID, 0)
    return True


@attempt
def signal_another_process_group() -> Any:
    os.killpg(os.getpgid(PID), 0)
    return True


@attempt
def get_hold_of_another_process() -> Any:
    return os.pidfd_open(PID) >= 0


@attempt
def change_the_priority_of_another_process() -> Any:
    os.setpriority(os.PRIO_PROCESS, PID, os.getpriority(os.PRIO_PROCESS, PID) + 1)
    return True


@attempt
def move_another_process_to_other_processors() -> Any:
    os.sched_setaffinity(PID, os.sched_getaffinity(PID))
    return True


@attempt
def change_the_limits_of_another_process() -> Any:
    resource.prlimit(PID, resource.RLIMIT_CORE, resource.prlimit(PID, resource.RLIMIT_CORE))
    return True


@attempt
def choose_another_process_to_die_first() -> Any:
    with open(f"/proc/{PID}/oom_score_adj", "w") as file:
        file.write("900")
    return True


@attempt
def enter_the_namespaces_of_another_process() -> Any:
    here, there = os.readlink("/proc/self/ns/pid"), os.open(f"/proc/{PID}/ns/mnt", os.O_RDONLY)
    return here and checked(libc.setns(there, 0))


@attempt
def connect_to_an_abstract_socket() -> Any:
    with socket.socket(socket.AF_UNIX) as way:
        way.connect(ABSTRACT)
        return way.recv(100) == SECRET


@attempt
def connect_to_a_socket_in_the_operators_home() -> Any:
    with socket.socket(socket.AF_UNIX) as way:
        way.connect(str(OPERATOR / "socket"))
        return way.recv(100) == SECRET


@attempt
def reach_the_port_of_nats() -> Any:
    with socket.create_connection(("127.0.0.1", NATS_PORT), timeout=5) as way:
        return way.recv(4) == b"INFO"


@attempt
def reach_the_port_of_nats_by_another_loopback_address() -> Any:
    with socket.create_connection(("::ffff:127.0.0.1", NATS_PORT), timeout=5) as way:
        return way.recv(4) == b"INFO"


@attempt
def use_a_stolen_credential_of_nats() -> Any:
    assert any(path.read_bytes() for path in (HOME / "keys").rglob("*") if path.is_file())
    return reach_the_port_of_nats()


@attempt
def make_a_socket_to_the_host_of_the_machine() -> Any:
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).fileno() >= 0


@attempt
def make_a_socket_past_the_filter_of_calls() -> Any:
    return call(425, 1, ctypes.create_string_buffer(120)) >= 0


@attempt
def trace_the_process_that_says_how_the_job_ended() -> Any:
    return checked(libc.ptrace(0x4206, 1, 0, 0))


@attempt
def trace_it_by_a_number_whose_upper_half_is_not_looked_at() -> Any:
    return call(101, ctypes.c_long(0x4206), ctypes.c_long(2**32 + 1), None, None) >= 0


@attempt
def change_the_limits_of_the_process_that_says_how_the_job_ended() -> Any:
    resource.prlimit(1, resource.RLIMIT_CORE, resource.prlimit(1, resource.RLIMIT_CORE))
    return True


@attempt
def copy_the_memory_of_the_process_that_says_how_the_job_ended() -> Any:
    maps = Path("/proc/1/maps").read_text().splitlines() if os.path.exists("/proc/1/maps") else ["400000-"]
    there = (ctypes.c_size_t * 2)(int(maps[0].split("-")[0], 16), 4)
    buffer = ctypes.create_string_buffer(4)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 4)
    return call(310, 1, here, 1, there, 1, 0) == 4


@attempt
def get_hold_of_the_process_that_says_how_the_job_ended() -> Any:
    return os.pidfd_open(1) >= 0


@attempt
def listen_to_all_packets() -> Any:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300).fileno() >= 0


@attempt
def forge_packets() -> Any:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW).fileno() >= 0


@attempt
def change_a_network_interface() -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        now = fcntl.ioctl(control, 0x8921, struct.pack("16si20x", b"lo", 0))
        fcntl.ioctl(control, 0x8922, now)
    return True


@attempt
def attach_shared_memory_by_its_key() -> Any:
    return call(29, SHM_KEY, SHM_BYTES, 0o600) >= 0


@attempt
def open_a_message_queue() -> Any:
    return call(240, QUEUE[1:], os.O_RDONLY, 0, None) >= 0


@attempt
def find_a_key_in_the_keyring_of_the_user() -> Any:
    return call(250, 10, -4, b"user", KEY_NAME, 0) > 0


@attempt
def read_a_key_by_its_number() -> Any:
    buffer = ctypes.create_string_buffer(200)
    return call(250, 11, int(os.environ["ESCAPE_KEY"]), buffer, 200) > 0


@attempt
def make_a_disk_device() -> Any:
    os.mknod("disk", 0o600 | 0o060000, os.makedev(7, 0))
    return os.open("disk", os.O_RDONLY) >= 0


@attempt
def leave_the_group_of_processes() -> Any:
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{folder}/cgroup.procs"):
            Path(f"{folder}/cgroup.procs").write_text("0")
            return folder
    raise FileNotFoundError(folder)


@attempt
def make_a_group_of_processes() -> Any:
    for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{folder}/cgroup.procs"):
            os.mkdir(f"{folder}/treering-escape")
            os.rmdir(f"{folder}/treering-escape")
            return folder
    raise FileNotFoundError(folder)


@attempt
def see_the_groups_of_other_jobs() -> Any:
    return glob.glob("/sys/fs/cgroup/treering-*") or glob.glob("/sys/fs/cgroup/*/treering-*")


@attempt
def mount_a_file_system() -> Any:
    os.makedirs("mounted", exist_ok=True)
    return checked(libc.mount(b"none", b"mounted", b"tmpfs", 0, None)) and checked(libc.umount2(b"mounted", 2))


@attempt
def bind_the_root_somewhere_else() -> Any:
    os.makedirs("bound", exist_ok=True)
    return checked(libc.mount(b"/", b"bound", None, 4096, None)) and checked(libc.umount2(b"bound", 2))


@attempt
def mount_a_read_only_folder_writable() -> Any:
    place = os.environ["VIRTUAL_ENV"].encode()
    if not os.path.ismount(place):  # where nothing is mounted there is nothing to be made writable: it is already
        os.chmod(place, 0o755)
        return True
    return checked(libc.mount(None, place, None, 32 | 4096, None))


@attempt
def unmount_what_hides_something() -> Any:
    if not os.path.ismount("/tmp"):
        return True  # nothing is hidden
    return checked(libc.umount2(b"/tmp", 2))


@attempt
def change_the_root_folder() -> Any:
    os.chroot("/")
    return True


@attempt
def make_a_user_namespace() -> Any:
    return checked(libc.unshare(0x10000000))


@attempt
def make_a_mount_namespace() -> Any:
    return checked(libc.unshare(0x00020000))


@attempt
def load_a_program_into_the_kernel() -> Any:
    return permitted(321, 5, ctypes.create_string_buffer(struct.pack("<II", 18, 0), 120), 120)


@attempt
def load_another_kernel() -> Any:
    return permitted(246, 0, 17, None, 0)


@attempt
def load_a_kernel_module() -> Any:
    return permitted(175, ctypes.create_string_buffer(b"no module", 9), 9, b"")


@attempt
def count_events_of_another_process() -> Any:
    event = ctypes.create_string_buffer(struct.pack("<IIQ", 1, 128, 0), 128)
    return call(298, event, PID, -1, -1, 0) >= 0


@attempt
def become_another_user() -> Any:
    os.setuid(12345)
    return True


@attempt
def keep_the_powers_of_set_uid_programs() -> Any:
    return b"NoNewPrivs:\t0" in Path("/proc/self/status").read_bytes()


@attempt
def have_any_power_of_root() -> Any:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    return int(line.split()[1], 16)


@attempt
def rename_the_machine() -> Any:
    socket.sethostname(socket.gethostname())
    return True


@attempt
def be_preferred_by_the_processor() -> Any:
    os.nice(-5)
    return True


def outcome(take: Try) -> str:
    """ "out", or what kept it in. In a process for itself, so that one try does not change the next."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS_MAX)
        try:
            said = "out" if take() else "nothing came of it"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(write, said.encode()[:500])
        os._exit(0)
    os.close(write)
    text = b""
    while select.select([read], [], [], SECONDS_MAX + 5)[0] and (data := os.read(read, 1000)):
        text += data
    os.close(read)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return text.decode() or "it was killed"


if __name__ == "__main__":
    print("ESCAPES " + json.dumps({name: outcome(take) for name, take in TRIES.items()}), file=sys.stdout, flush=True)

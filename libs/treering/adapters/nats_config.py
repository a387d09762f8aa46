"""The text of the nats-server configuration, as pure functions; ``nats-server -t`` checks it before use.

Two files: the server's own settings, and the accounts, which alone are written anew when a publisher comes
(a reload must not touch the JetStream limits). Passwords stand in them as they are, in 0600 files: each has
256 random bits, so bcrypt would protect nothing but cost about 0.1 s of CPU at every connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from treering.adapters.nats_credentials import Credential
from treering.adapters.nats_users import DOCTOR, LANES, OUTSIDE, ROUTE, rights_of, subject_in_lane, subject_of
from treering.kernel.shared_limits import MESSAGE_BYTES_MAX

ACCOUNT = "TREERING"
SYSTEM_ACCOUNT = "SYSTEM"
ACCOUNTS_FILE = "accounts.conf"
PAYLOAD_BYTES_MAX_OUTSIDE = 1024 * 1024  # a request of a program from outside: nobody may make the server hold more
CONNECTIONS_MAX = 4096
# Of these for all programs from outside together: the others are for services, whatever publishers and subscribers do.
OUTSIDE_CONNECTIONS_MAX = 1024
OUTSIDE_CONNECTIONS_EACH = 64
OUTSIDE_SUBSCRIPTIONS_EACH = 1000  # of one program, over all its connections
LOGIN_SECONDS = 3
STREAMS_MAX = 16
CONSUMERS_MAX = 2000
LOG_FILE_BYTES_MAX = 16 * 1024 * 1024
LOG_FILES_MAX = 4


class Cluster(Struct, frozen=True):
    """One node of a cluster: where it listens for the others, and where they all are ("host:port")."""

    name: str
    node: str
    host: str
    port: int
    routes: tuple[str, ...]


class Settings(Struct, frozen=True):
    """What the configuration depends on. ``folder`` gets the store, the log, the pid and the accounts."""

    server_name: str
    host: str
    port: int
    folder: Path
    max_file_bytes: int
    max_memory_bytes: int
    cluster: Cluster | None = None
    connections_max: int = CONNECTIONS_MAX


def server_config(settings: Settings, route: Credential) -> str:
    """The main file. ``route`` is what cluster nodes show each other; without a cluster it is not used.

    ``sync_interval: always``: an acknowledged commit is on disk. With the default of two minutes a power cut
    lost whole streams. There is no monitor port, no websocket, MQTT or leaf node listener, and no
    ``no_auth_user``: each is off unless it is written here.
    """
    lines = [
        f"server_name: {quoted(settings.server_name)}",
        f"host: {quoted(settings.host)}",
        f"port: {settings.port}",
        f"pid_file: {quoted(settings.folder / 'nats.pid')}",
        f"log_file: {quoted(settings.folder / 'nats.log')}",
        f"logfile_size_limit: {LOG_FILE_BYTES_MAX}",
        f"logfile_max_num: {LOG_FILES_MAX}",
        f"max_payload: {MESSAGE_BYTES_MAX}",
        f"max_connections: {settings.connections_max}",
        f"authorization {{ timeout: {LOGIN_SECONDS} }}",  # a connection that shows no credential in this time is closed
        'write_deadline: "10s"',
        'ping_interval: "20s"',
        "ping_max: 3",
        "jetstream {",
        f"  store_dir: {quoted(settings.folder / 'store')}",
        "  sync_interval: always",
        f"  max_file_store: {settings.max_file_bytes}",
        f"  max_memory_store: {settings.max_memory_bytes}",
        "}",
        *(cluster_lines(settings.cluster, route) if settings.cluster else ()),
        f"include {quoted(ACCOUNTS_FILE)}",
    ]
    return "\n".join(lines) + "\n"


def cluster_lines(cluster: Cluster, route: Credential) -> list[str]:
    login = f"{quoted(route.user)}, password: {quoted(route.password)}"
    route_url = f"nats-route://{route.user}:{route.password}@"
    return [
        "cluster {",
        f"  name: {quoted(cluster.name)}",
        f"  host: {quoted(cluster.host)}",
        f"  port: {cluster.port}",
        f"  authorization {{ user: {login}, timeout: 5 }}",
        "  routes: [",
        *(f"    {quoted(route_url + address)}" for address in cluster.routes),
        "  ]",
        "}",
    ]


def accounts_config(credentials: Mapping[str, Credential], outside_max: int = OUTSIDE_CONNECTIONS_MAX) -> str:
    """The accounts file: who exists and what each may do.

    A program from outside has an account of its own and reaches its one subject through an import: the server bounds
    connections by account, not by user, and gives each request a reply subject of its own (``_R_.``).
    """
    outside = [credential for user, credential in credentials.items() if subject_of(user)]
    exports = [f"{{ service: {quoted(f'{subject}.*.*')} }}" for subject in OUTSIDE.values()]
    ours = [credentials[user] for user in credentials if not subject_of(user) and user not in (DOCTOR, ROUTE)]
    lines = [
        "accounts {",
        f"  {ACCOUNT} {{",
        f"    jetstream {{ max_streams: {STREAMS_MAX}, max_consumers: {CONSUMERS_MAX} }}",
        "    users: [",
        *(user_line(credential) for credential in ours),
        "    ]",
        f"    exports: [{', '.join(exports)}]",
        "  }",
        *(
            line
            for number, credential in enumerate(outside)
            for line in outside_account(credential, outside_max // len(outside), number % LANES)
        ),
        f"  {SYSTEM_ACCOUNT} {{",
        "    users: [",
        user_line(credentials[DOCTOR]),
        "    ]",
        "  }",
        "}",
        f"system_account: {SYSTEM_ACCOUNT}",
    ]
    return "\n".join(lines) + "\n"


def outside_account(credential: Credential, share: int, lane: int) -> list[str]:
    """The account of one program from outside, which may have ``share`` connections: the fewer there are, the more.
    What it asks comes to the gateway in ``lane``, its own unless there are more programs than lanes."""
    connections = max(min(OUTSIDE_CONNECTIONS_EACH, share), 1)
    limits = (
        f"max_connections: {connections}, max_subscriptions: {OUTSIDE_SUBSCRIPTIONS_EACH}, "
        f"max_payload: {PAYLOAD_BYTES_MAX_OUTSIDE}"
    )
    asked = f"account: {ACCOUNT}, subject: {quoted(subject_in_lane(credential.user, lane))}"
    return [
        f"  {quoted(credential.user)} {{",
        f"    limits {{ {limits} }}",
        "    users: [",
        user_line(credential),
        "    ]",
        f"    imports: [{{ service: {{ {asked} }}, to: {quoted(subject_of(credential.user))} }}]",
        "  }",
    ]


def user_line(credential: Credential) -> str:
    rights = rights_of(credential.user)
    login = f"user: {quoted(credential.user)}, password: {quoted(credential.password)}"
    publish = f"publish: {{ allow: {listed(rights.publish)} }}"
    subscribe = f"subscribe: {{ allow: {listed(rights.subscribe)} }}"
    return f"      {{ {login}, permissions: {{ {publish}, {subscribe} }} }}"


def listed(subjects: tuple[str, ...]) -> str:
    return "[" + ", ".join(quoted(subject) for subject in subjects) + "]"


ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(value: str | Path) -> str:
    """A double-quoted configuration string; ValueError for a control character it cannot hold."""
    text = str(value)
    if any((ord(character) < 32 and character not in ESCAPES) or ord(character) == 127 for character in text):
        raise ValueError(f"{text!r} has a control character and cannot stand in a NATS configuration")
    return '"' + "".join(ESCAPES.get(character, character) for character in text) + '"'

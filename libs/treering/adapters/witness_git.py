"""A git repository as a witness: a commit for each checkpoint, on a branch that is only ever pushed forward."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from treering.kernel.refusal import Refused

BRANCH = "refs/heads/treering-checkpoints"
FILE = "checkpoint"
TIMEOUT_SECONDS = 10.0
SAID_CHARACTERS_MAX = 300
PROTOCOLS = "file:git:http:https:ssh"
REMOTE_HELPER = re.compile(r"^[A-Za-z0-9+.-]+::")
# Over http whatever stands before an @ may be a token; with ssh it is a user, and what follows a colon a password.
SECRET = re.compile(r"^(?:https?://[^/]*@|[a-z][a-z0-9+.-]*://[^/@]*:[^/]*@)", re.IGNORECASE)
# A configuration may name programs to run; nothing here needs one.
GIT = ("git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "gc.auto=0")


class GitFailed(OSError):
    """git did not do it; the message is what it said."""


class GitWitness:
    """``repository`` is a path or URL that git can push to; ``folder`` a bare repository of ours to push from."""

    def __init__(self, folder: Path, repository: str) -> None:
        self.folder = folder
        self.repository = repository

    @staticmethod
    def checked(repository: str) -> str:
        """The repository as it is remembered; Refused for one that git would take for something else."""
        if not repository or repository.startswith("-") or REMOTE_HELPER.match(repository):
            raise Refused("witness.target", f"{repository[:80]!r} is no path or URL of a git repository")
        if SECRET.match(repository):  # and not shown: who reads the refusal may not be who wrote it
            why = "the URL has a password or a token in it, which would stay in the log for ever"
            raise Refused("witness.target", f"{why}; leave it out, and let a credential helper of git or ssh know it")
        return str(Path(repository).absolute()) if Path(repository).exists() else repository

    def read(self) -> bytes | None:
        """The newest checkpoint there; None where there is none yet; GitFailed when the repository does not answer."""
        head = self.fetched()
        return self.git("cat-file", "blob", f"{head}:{FILE}") if head else None

    def write(self, note: bytes, message: str) -> None:
        """Push a commit with the checkpoint; GitFailed also when somebody else has pushed to the branch since."""
        parent = self.fetched()
        blob = self.git("hash-object", "-w", "--stdin", input=note).decode().strip()
        tree = self.git("mktree", input=f"100644 blob {blob}\t{FILE}\n".encode()).decode().strip()
        parents = ("-p", parent) if parent else ()
        commit = self.git("commit-tree", tree, *parents, "-m", message).decode().strip()
        self.git("push", "--quiet", self.repository, f"{commit}:{BRANCH}")

    def fetched(self) -> str:
        """The commit the branch is at, fetched; "" when there is no such branch."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self.folder / "HEAD").exists():
            self.git("init", "--quiet", "--bare")
        found = self.git("ls-remote", self.repository, BRANCH).decode().split()
        if not found:
            return ""
        self.git("fetch", "--quiet", "--no-tags", "--depth=1", self.repository, f"+{BRANCH}:{BRANCH}")
        return self.git("rev-parse", "--verify", BRANCH).decode().strip()

    def git(self, *arguments: str, input: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                [*GIT, *arguments],
                cwd=self.folder,
                env=environment(),
                input=input,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise GitFailed(f"git {arguments[0]} took more than {TIMEOUT_SECONDS:g} seconds") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-SAID_CHARACTERS_MAX:]
            raise GitFailed(f"git {arguments[0]}: {said or f'exit code {done.returncode}'}")
        return done.stdout


def environment() -> dict[str, str]:
    """Never a question to a terminal, no protocol that runs a program, and nobody's name in the commits."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_SSH_COMMAND"
    }
    return {
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_AUTHOR_NAME": "treering",
        "GIT_AUTHOR_EMAIL": "treering@localhost",
        "GIT_COMMITTER_NAME": "treering",
        "GIT_COMMITTER_EMAIL": "treering@localhost",
        "LC_ALL": "C",
    }

"""What `pip` and `python -m pip` are inside a job. Copied there as it stands, and run by the Python of the job.

The environment is read-only and has no pip: what a job installs goes into a folder of its own, which comes first when
something is imported. So what ``list``, ``freeze`` and ``show`` tell is that folder laid over the environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

VERSION = "24.0"  # the pip whose options are understood; the last that runs on Python 3.7 to 3.13
PASSED_OVER = {
    "--user", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--no-warn-script-location", "--local",
    "-l", "--all",
}  # fmt: skip
ELSEWHERE = ("--target", "-t", "--prefix", "--root")
REFUSED = "inside a job only `pip install`, `list`, `freeze`, `show` and `check` work; the environment is read-only"


def main(words: list[str]) -> int:
    words = [word for word in words if word not in PASSED_OVER]
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb == "install":
        into = [] if any(word.split("=")[0] in ELSEWHERE for word in rest) else ["--target", packages()]
        return uv("install", ["--python", python(), *into, *rest])
    if verb == "freeze":
        print("\n".join(freeze(rest)))
        return 0
    if verb == "list":
        return listed(rest)
    if verb == "show":
        return show(rest)
    if verb == "check":
        return uv("check", ["--python", python(), *rest])
    if verb in ("--version", "-V"):
        print(f"pip {VERSION} of treering (uv)")
        return 0
    print(f"treering: {REFUSED}", file=sys.stderr)
    return 1


def freeze(options: list[str]) -> list[str]:
    """A line for each package, as pip writes them; of two versions the one that is imported."""
    found = {}
    for place in places():
        for line in output("freeze", [*place, *options]).splitlines():
            found[re.sub("[-_.]+", "-", re.split("==| @ ", line)[0]).lower()] = line
    return [found[name] for name in sorted(found)]


def listed(options: list[str]) -> int:
    form, options = form_of(options)
    found = {}
    for place in places():
        for one in json.loads(output("list", ["--format", "json", *place, *options]) or "[]"):
            found[one["name"]] = one
    rows = [found[name] for name in sorted(found)]
    if form == "json":
        print(json.dumps(rows))
    elif form == "freeze":
        print("\n".join(f"{row['name']}=={row['version']}" for row in rows))
    else:
        width = max([len("Package"), *(len(row["name"]) for row in rows)])
        lines = [("Package", "Version"), ("-" * width, "-------"), *((row["name"], row["version"]) for row in rows)]
        print("\n".join(f"{name.ljust(width)} {version}" for name, version in lines))
    return 0


def show(words: list[str]) -> int:
    """Each package from where it is imported."""
    options = [word for word in words if word.startswith("-")]
    told = []
    for name in [word for word in words if not word.startswith("-")]:
        for place in reversed(places()):
            done = subprocess.run([*command("show"), *place, *options, name], capture_output=True, check=False)
            if done.returncode == 0:
                told.append(done.stdout.decode())
                break
        else:
            print(f"WARNING: Package(s) not found: {name}", file=sys.stderr)
    print("---\n".join(told), end="")
    return 0 if told else 1


def form_of(options: list[str]) -> tuple[str, list[str]]:
    """The format that is asked for, and the other options."""
    form, rest, words = "columns", [], iter(options)
    for word in words:
        if word == "--format":
            form = next(words, form)
        elif word.startswith("--format="):
            form = word.partition("=")[2]
        else:
            rest.append(word)
    return form, rest


def output(verb: str, options: list[str]) -> str:
    done = subprocess.run([*command(verb), "--quiet", *options], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout.decode()


def uv(verb: str, options: list[str]) -> int:
    """Runs in place of this program."""
    words = [*command(verb), *options]
    sys.stdout.flush()
    os.execv(words[0], words)


def command(verb: str) -> list[str]:
    return [os.environ["TREERING_UV"], "pip", verb]


def places() -> list[list[str]]:
    """The environment, and the folder that comes before it."""
    own = [["--python", python(), "--target", packages()]] if os.path.isdir(packages()) else []
    return [["--python", python()], *own]


def python() -> str:
    return os.path.join(os.environ["VIRTUAL_ENV"], "bin", "python")


def packages() -> str:
    return os.environ["TREERING_PACKAGES"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Finds passwords that a command gives to a program whose options say so only to those who know it.

``mysql -pPW``, ``docker login -p PW``, ``echo PW | docker login --password-stdin``, ``wandb login KEY``. ``-p`` is a
port or a folder to most programs, so only what is sure is named: a known program, with a value that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from treering.specs.secret_values import is_literal, names_secret

DEPTH_MAX = 2  # a command in the quotes of another: bash -c "..."
TOKEN = re.compile(r"""\|\|?|&&?|[;\n()]+|(?:[^\s;&|()"'\\]|"[^"]*"|'[^']*'|\\.)+|["'\\]""", re.DOTALL)
BETWEEN = frozenset("|&;\n()")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*|-.*|\d+[smh]?", re.DOTALL)  # or an option of sudo, or timeout's number
LEADS = frozenset(
    {
        "sudo",
        "exec",
        "time",
        "nohup",
        "env",
        "command",
        "timeout",
        "then",
        "do",
        "else",
        "if",
        "while",
        "until",
        "!",
        "{",
    }
)
RUNNERS = frozenset({"docker", "podman", "nerdctl", "kubectl", "oc", "docker-compose", "ssh", "srun", "mpirun"})
MYSQL = frozenset(
    {"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlcheck", "mysqlshow", "mariadb", "mariadb-dump",
     "mariadb-admin"}
)  # fmt: skip
MONGO = frozenset({"mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"})
LDAP = frozenset({"ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami", "ldappasswd"})
LOGINS = frozenset({"az", "docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras", "crane", "oc", "cf"})
STARTERS = frozenset({"run", "exec", "create", "compose", "build"})  # docker run -p 80:80 image login


class Rule(NamedTuple):
    """``option`` of these programs has a password: in the word itself (``-pPW``), in the next one, or in either;
    ``verb`` must stand before it, and no word that begins with one of ``unless``."""

    programs: frozenset[str]
    option: str
    in_word: bool = True
    in_next: bool = True
    verb: str = ""
    unless: tuple[str, ...] = ()


RULES = (
    Rule(MYSQL, "-p", in_next=False),  # the next word is a database
    Rule(frozenset({"7z", "7za", "7zr"}), "-p", in_next=False),
    Rule(frozenset({"sshpass"}), "-p", unless=("-e", "-f", "-d")),  # then another program's -p follows
    Rule(LOGINS, "-p", verb="login"),
    Rule(frozenset({"twine"}), "-p", verb="upload"),
    Rule(frozenset({"redis-cli"}), "-a", in_word=False),
    Rule(MONGO, "-p", in_word=False),
    Rule(LDAP, "-w", in_word=False),
    Rule(frozenset({"sqlcmd", "bcp", "zip", "unzip"}), "-P", in_word=False),
)
KEYS = {
    ("wandb", "login"): re.compile(r"(?:local-)?[0-9a-f]{40}|wandb_v1_\w{20,}"),
    ("vault", "login"): re.compile(r"(?:hvs|s)\.[\w-]{20,}"),
    ("snyk", "auth"): re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}"),
    ("ngrok", "authtoken"): re.compile(r"\w{20,}"),
    ("ngrok", "add-authtoken"): re.compile(r"\w{20,}"),
}
WANDB = re.compile(r"wandb\.login\(\s{0,8}(?:key\s{0,8}=\s{0,8})?[\"'](?:local-)?[0-9a-f]{40}[\"']")
SETTERS = {"aws": "configure", "dvc": "remote", "poetry": "config", "npm": "config"}
KNOWN = frozenset().union(*(rule.programs for rule in RULES)) | SETTERS.keys() | {program for program, _ in KEYS}
READERS = frozenset({"--password-stdin", "--with-token", "chpasswd"})  # of a password, from their standard input


def password_given(command: str) -> str:
    """The program and option of the first password that is written out; "" when there is none."""
    return password_in(command, 0) or ("wandb.login" if WANDB.search(command) else "")


def password_in(text: str, depth: int) -> str:
    for words, piped in simple_commands(text):
        for name, arguments in programs(words):
            if found := of_program(name, arguments):
                return found
        if found := from_input(words, piped):
            return found
        for word in words if depth < DEPTH_MAX else ():
            if word[0] in "\"'" and " " in word and (found := password_in(word[1:-1], depth + 1)):
                return found
    return ""


def simple_commands(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each command, as they are written, and those of the one whose output it reads."""
    words: list[str] = []
    piped: list[str] = []
    for token in TOKEN.findall(text.replace("\\\n", " ")):
        if token[0] not in BETWEEN:
            words.append(token)
            continue
        yield words, piped
        words, piped = [], words if token == "|" else []
    yield words, piped


def programs(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The program that a command runs, and the known one that it has run elsewhere (``docker exec db mysql``), with
    the words behind each."""
    at = next((at for at, word in enumerate(words) if word not in LEADS and not ASSIGNMENT.fullmatch(word)), None)
    if at is None:
        return
    first = name_of(words[at])
    yield first, words[at + 1 :]
    for later in range(at + 1, len(words)) if first in RUNNERS else ():
        if (name := name_of(words[later])) in KNOWN:
            yield name, words[later + 1 :]
            return


def name_of(word: str) -> str:
    return bare(word).lstrip("`").rpartition("/")[2]


def of_program(name: str, words: list[str]) -> str:
    for rule in RULES:
        if name in rule.programs and is_after(rule.verb, words) and value_of(rule, words):
            return f"{name} {rule.option}"
    for (program, verb), key in KEYS.items():
        if name == program and verb in words and any(key.fullmatch(bare(word)) for word in words):
            return f"{name} {verb}"
    if len(words) > 2 and SETTERS.get(name) in words and names_secret(bare(words[-2])) and is_literal(words[-1]):
        return bare(words[-2])
    return ""


def is_after(verb: str, words: list[str]) -> bool:
    return not verb or (verb in words and STARTERS.isdisjoint(words[: words.index(verb)]))


def value_of(rule: Rule, words: list[str]) -> bool:
    """Whether the first option of this kind has a password that stands there itself."""
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if rule.unless and word.startswith(rule.unless):
            return False
        if word == rule.option:
            return rule.in_next and is_password(after)
        if rule.in_word and word.startswith(rule.option):
            return is_password(word[len(rule.option) :].removeprefix("="))
    return False


def is_password(written: str) -> bool:
    """A literal that is neither an option, an address nor the file of a certificate."""
    value = bare(written)
    return is_literal(written) and not value.startswith("-") and "://" not in value and not value.endswith(".pem")


def from_input(words: list[str], piped: list[str]) -> str:
    """``echo PW | reader`` and ``reader <<< PW``."""
    reader = next((word for word in words if word in READERS), "")
    if not reader:
        is_sudo = words[:1] == ["sudo"] and "-S" in words
        reader = "sudo -S" if is_sudo else "wandb login" if words[:2] == ["wandb", "login"] else ""
    if not reader:
        return ""
    given = piped[1:] if piped[:1] in (["echo"], ["printf"]) else []
    if "<<<" in words[:-1]:
        given = [words[words.index("<<<") + 1]]
    given += [word[3:] for word in words if word.startswith("<<<") and word != "<<<"]
    return reader if any(is_password(word) for word in given) else ""


def bare(word: str) -> str:
    return word.strip("\"'")

"""What a path or an asset reference in a YAML points at.

``azureml:N:V``, ``azureml:N@LABEL``, ``azureml:N``, ARM ids, ``azureml://registries/...``, ``datastores``,
``jobs``, ``runs:/``, ``models:/``, ``mlflow-artifacts:/``, ``http(s)``, ``wasb(s)``, ``abfs(s)``, ``adl``, ``git+``
and local paths. Reading one asks nobody: what it means on an installation, ``gateway/references.py`` finds out.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from treering.kernel.refusal import Refused

Form = Literal[
    "asset", "arm", "registry", "datastore", "job_output", "run", "mlflow_model", "artifact", "http", "wasbs", "abfss",
    "adl", "git", "local",
]  # fmt: skip
SCHEMES: dict[str, Form] = {
    "http": "http", "https": "http", "wasb": "wasbs", "wasbs": "wasbs", "abfs": "abfss", "abfss": "abfss",
    "adl": "adl",
}  # fmt: skip
CHARACTERS_MAX = 2048

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://")
NAME = r"[^\s/:@]{1,255}"  # whether a resource may be called so is for the registry to say
ASSET = re.compile(rf"azureml:(?P<name>{NAME})(?::(?P<version>{NAME})|@(?P<label>{NAME}))?")
VERSION = rf"(?:/versions/(?P<version>{NAME})|/labels/(?P<label>{NAME}))?"
# The resource group and the subscription of a long form are Azure's; the workspace may be another one than is asked.
LONG = r"subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/"
IN_WORKSPACE = rf"azureml://(?:{LONG})?"
DATASTORE = re.compile(rf"{IN_WORKSPACE}datastores/(?P<name>{NAME})(?:/paths/?(?P<path>.*))?")
JOB_OUTPUT = re.compile(
    rf"(?:{IN_WORKSPACE}|(?:azureml:)?/{LONG})jobs/(?P<job>{NAME})/outputs/(?P<name>{NAME})"
    r"(?:/(?:paths(?:/|$))?(?P<path>.*))?"
)
LOCATION = re.compile(
    rf"azureml://(?:locations/[^/]+/workspaces/[^/]+/|{LONG})(?P<kind>[a-z]+)/(?P<name>{NAME}){VERSION}"
)
REGISTRY = re.compile(rf"azureml://registries/(?P<registry>{NAME})/(?P<kind>[a-z]+)/(?P<name>{NAME}){VERSION}")
ARM = re.compile(rf"(?:azureml:)?/subscriptions/.+?/(?P<kind>[A-Za-z]+)/(?P<name>{NAME}){VERSION}")
WORKSPACE = re.compile(r"/workspaces/([^/]+)/")
RUN = re.compile(rf"runs:/(?P<job>{NAME})(?:/(?P<path>.*))?")
# Without a version or a label it is a logged model by its id.
MLFLOW_MODEL = re.compile(r"models:/(?P<name>[^/]+?)(?:/(?P<version>[^/]+)|@(?P<label>[^/@]+))?")
ARTIFACT = re.compile(r"mlflow-artifacts:/{1,3}(?P<path>.+)")
FORMS: tuple[tuple[Form, re.Pattern[str]], ...] = (
    ("registry", REGISTRY), ("datastore", DATASTORE), ("job_output", JOB_OUTPUT), ("arm", LOCATION),
    ("arm", ARM), ("run", RUN), ("mlflow_model", MLFLOW_MODEL), ("artifact", ARTIFACT), ("asset", ASSET),
)  # fmt: skip


class Reference(Struct, frozen=True, omit_defaults=True):
    """A reference taken apart; which fields are set depends on ``form``. ``text`` is the whole as written."""

    form: Form
    text: str
    name: str = ""  # of the asset, the datastore, or the job's output
    version: str = ""
    label: str = ""
    kind: str = ""  # "environments", "models", ...: as registries and ARM ids say it
    registry: str = ""
    job: str = ""
    path: str = ""

    @property
    def workspace(self) -> str:
        """The workspace that a long form names, "" for the one it is used in. ``locations`` say a number for it."""
        named = None if self.text.startswith("azureml://locations/") else WORKSPACE.search(self.text)
        return named[1] if named and self.form in ("arm", "datastore", "job_output") else ""


def parse_reference(text: str) -> Reference:
    """Take a reference apart; raises ``Refused("reference.invalid")`` saying which forms there are."""
    if not text.strip() or len(text) > CHARACTERS_MAX or any(ord(character) < 32 for character in text):
        wanted = f"1 to {CHARACTERS_MAX} printable characters"
        raise Refused("reference.invalid", f"{text[:80]!r} is not a path: {wanted}")
    if text.startswith("git+"):
        return Reference("git", text, path=text.removeprefix("git+"))
    if text.startswith("file:"):
        return Reference("local", text, path=local_path(text))
    for form, pattern in FORMS:
        if match := pattern.fullmatch(text):
            parts = {name: value or "" for name, value in match.groupdict().items()}
            return Reference(form, text, **parts)
    return by_scheme(text)


def local_path(text: str) -> str:
    return text.removeprefix("file://").removeprefix("file:")


def by_scheme(text: str) -> Reference:
    scheme = SCHEME.match(text)
    if scheme and (form := SCHEMES.get(scheme[1].lower())):
        return Reference(form, text, path=text)
    if text.startswith(("azureml:", "runs:", "models:/", "mlflow-artifacts:")) or scheme:
        raise Refused(
            "reference.invalid",
            f"{text[:80]!r} is no reference treering knows; write azureml:NAME:VERSION, azureml:NAME@LABEL, "
            "azureml://registries/R/KIND/NAME/versions/V, azureml://datastores/D/paths/P, runs:/RUN/P, "
            "models:/NAME/VERSION, azureml://jobs/J/outputs/O/paths/P, a URL (http, https, wasbs, abfss, adl) or a "
            "local path",
        )
    return Reference("local", text, path=text)

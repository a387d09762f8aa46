"""Which of the operator's variables uv is given: for an environment, and inside a job.

Lists of names that are let through, since uv gains variables: who publishes packages from the same shell has tokens in
some. A build may have the credentials of package indexes; a job has none, not even as part of an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CERTIFICATES = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})
# Where packages come from, which of them are taken, and how patiently.
OF_JOBS = CERTIFICATES | {
    f"UV_{name}"
    for name in (
        "DEFAULT_INDEX", "INDEX", "INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "INDEX_STRATEGY",
        "INSECURE_HOST", "SYSTEM_CERTS", "NATIVE_TLS", "HTTP_TIMEOUT", "HTTP_CONNECT_TIMEOUT", "REQUEST_TIMEOUT",
        "HTTP_RETRIES", "OFFLINE", "CONCURRENT_DOWNLOADS", "CONCURRENT_BUILDS", "CONCURRENT_INSTALLS", "EXCLUDE_NEWER",
        "PRERELEASE", "RESOLUTION", "FORK_STRATEGY", "TORCH_BACKEND", "CUDA_DRIVER_VERSION", "AMD_GPU_ARCHITECTURE",
        "NO_BINARY", "NO_BINARY_PACKAGE", "NO_BUILD", "NO_BUILD_PACKAGE", "REQUIRE_HASHES", "NO_VERIFY_HASHES",
        "COMPILE_BYTECODE", "PYTHON_DOWNLOADS", "NO_PROGRESS", "LOCK_TIMEOUT", "PREVIEW", "PREVIEW_FEATURES",
    )
}  # fmt: skip
OF_BUILDS = OF_JOBS | {
    f"UV_{name}"
    for name in (
        "CONFIG_FILE", "NO_CONFIG", "NO_SYSTEM_CONFIG", "CONSTRAINT", "BUILD_CONSTRAINT", "OVERRIDE", "EXCLUDE",
        "NO_SOURCES", "NO_BUILD_ISOLATION", "KEYRING_PROVIDER", "CACHE_DIR", "LINK_MODE", "PYTHON_INSTALL_DIR",
        "PYTHON_PREFERENCE", "MANAGED_PYTHON", "NO_MANAGED_PYTHON", "PYTHON_SEARCH_PATH",
    )
}  # fmt: skip
OF_AN_INDEX = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
USER = re.compile(r"(?<=://)[^/\s?#]*@")
QUERY = re.compile(r"(://[^\s,?#]*)\?[^\s,#]*")


def for_builds(parent: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parent.items() if name in OF_BUILDS or OF_AN_INDEX.fullmatch(name)}


def with_indexes(settings: Mapping[str, str], indexes: tuple[str, ...]) -> dict[str, str]:
    """``settings`` with more indexes, each ``NAME=URL``, before those there are: uv takes the first that has a package.

    An index that was listed for some packages must not offer others: with the order of uv's default it can do so only
    to those who name it.
    """
    every = " ".join((*indexes, settings.get("UV_INDEX", ""))).strip()
    return {**settings, "UV_INDEX": every} if indexes else dict(settings)


def for_jobs(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: without_credentials(value) for name, value in settings.items() if name in OF_JOBS}


def without_credentials(text: str) -> str:
    """Addresses without user, password and query: a job that needs them is given its own."""
    return QUERY.sub(r"\1", USER.sub("", text))

"""Tells the secret environment variables of a job or an environment from the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from treering.domain.job_spec import EnvironmentSpec, JobSpec
from treering.kernel.known_forms import is_known
from treering.kernel.refusal import Refused
from treering.kernel.secret_names import is_secret_variable
from treering.kernel.url_secrets import secret_in
from treering.specs.secret_texts import CODE, texts
from treering.specs.secret_values import VALUE_CHARACTERS_MIN, names_secret

SECRETS_MAX = 500
Spec = TypeVar("Spec", JobSpec, EnvironmentSpec)
Variables = Mapping[str, str]


class Split(NamedTuple, Generic[Spec]):
    """A spec without its secret variables, and these."""

    spec: Spec
    hidden: dict[str, str]


def split_environment(spec: EnvironmentSpec, declared: Collection[str]) -> Split[EnvironmentSpec]:
    hidden = secrets_of(spec.variables, declared)
    left = replace(spec, variables=without(spec.variables, hidden))
    refuse_shown(left, hidden, declared)
    return Split(left, hidden)


def split_job(spec: JobSpec, declared: Collection[str]) -> Split[JobSpec]:
    """``hidden`` are the job's own and those of its environment that it does not set itself.
    ``Refused("job.secret_in_text")`` when one of their values also stands elsewhere in the spec."""
    own, environment = spec.environment_variables, spec.environment.variables
    kept = {name: value for name, value in environment.items() if name not in own}
    hidden = secrets_of({**kept, **own}, declared, spec.public_variables)
    left = replace(
        spec,
        environment=replace(spec.environment, variables=without(kept, hidden)),
        environment_variables=without(own, hidden),
    )
    refuse_shown(left, hidden, declared)
    return Split(left, hidden)


def secrets_of(variables: Variables, declared: Collection[str], public: Collection[str] = ()) -> dict[str, str]:
    """Those whose names or values say that they are secret, and those that repeat such a value; the empty text is no
    secret, and ``public`` are none for their names alone. ``Refused("secret.too_large")`` when they are too many to be
    looked for in all the rest."""
    found = {
        name: value
        for name, value in variables.items()
        if value and (name in declared or is_secret_variable(name, value, public) or has_secret_form(value))
    }
    if len(found) > SECRETS_MAX:
        why = f"there are {len(found)} secret variables, and at most {SECRETS_MAX} are kept"
        raise Refused("secret.too_large", f"{why}; put many values into one, as JSON")
    certain = [value for name, value in found.items() if is_certain(name, value, declared)]
    repeats = {name: value for name, value in variables.items() if any(one in value for one in certain)}
    return {**found, **repeats}


def has_secret_form(value: str) -> bool:
    """Whether a value is a secret whatever its variable is called, also where it was declared to be none."""
    return bool(secret_in(value)) or is_known(value)


def is_certain(name: str, value: str, declared: Collection[str]) -> bool:
    """Whether the value must stand nowhere else: TOKEN_TYPE=classifier is sealed for its name, and is no secret."""
    return len(value) >= VALUE_CHARACTERS_MIN and (name in declared or names_secret(name)) and "${{" not in value


def without(variables: Variables, hidden: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in hidden}


def refuse_shown(spec: JobSpec | EnvironmentSpec, hidden: Variables, declared: Collection[str]) -> None:
    certain = {name: value for name, value in hidden.items() if is_certain(name, value, declared)}
    for key, text in texts("", msgspec.to_builtins(spec)) if certain else ():
        for name, value in certain.items():
            if value in text:
                why = f"{key} has the value of the secret variable {name[:60]!r} in it"
                raise Refused(
                    CODE, f"{why}, which would stay in the record for ever; take it out, or write ${name[:60]}"
                )

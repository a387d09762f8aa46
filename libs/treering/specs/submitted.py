"""What can be known of a job before it runs, whoever wrote the client that submits it.

The command line reads YAML and says file and line; a program that speaks HTTP has no YAML. Both end here, so
that what must fail on a node is refused at submission instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial

from treering.domain.job_spec import EnvironmentSpec, InputSpec, JobSpec, OutputSpec, is_model_output
from treering.kernel.refusal import Refused
from treering.kernel.safe_path import SafePath
from treering.kernel.subjects import NAME_CHARACTERS_MAX, checked_name
from treering.specs import expressions
from treering.specs.bindings import Names, fault
from treering.specs.kinds.parts import IDENTIFIER_WORDS, IDENTIFIERS
from treering.specs.model_versions import written_version
from treering.specs.package_index import index_urls
from treering.specs.references import parse_reference
from treering.specs.requirements import python_versions, requirements
from treering.specs.scalars import plain_value
from treering.specs.secret_texts import environment_text_checks, job_text_checks

INSTANCES_MAX = 1
TIMEOUT_SECONDS_MAX = 366 * 24 * 3600.0
VARIABLE = re.compile(r"[A-Za-z_.\-][A-Za-z0-9_.\-]*", re.ASCII)
VARIABLE_WORDS = "use letters, digits, '_', '.' and '-', and no digit first"


def check_job(spec: JobSpec) -> None:
    """Raises ``Refused``: ``job.command``, ``job.timeout``, ``job.instance_count``, ``job.variable``, ``job.nul``,
    ``job.secret_in_text``, ``name.invalid``, ``expression.*``, ``input.unsupported``, ``input.written``,
    ``output.path``, ``output.version``, ``environment.*``.
    """
    for refused in job_faults(spec):
        raise refused


def job_faults(spec: JobSpec) -> Iterator[Refused]:
    """Everything that is wrong with a job, one after the other."""
    yield from faults(job_checks(spec))


def faults(checks: Iterable[Callable[[], object]]) -> Iterator[Refused]:
    for check in checks:
        try:
            check()
        except Refused as refused:
            yield refused


def job_checks(spec: JobSpec) -> Iterator[Callable[[], object]]:
    yield lambda: check_names("inputs", spec.inputs)
    yield lambda: check_names("outputs", spec.outputs)
    yield from job_text_checks(spec)
    yield lambda: check_command(spec)
    yield lambda: check_time(spec.timeout_seconds)
    yield lambda: check_instances(spec.instance_count)
    yield from (partial(check_input, name, given) for name, given in spec.inputs.items())
    yield from (partial(check_output, name, output) for name, output in spec.outputs.items())
    yield from variable_checks("environment_variables", spec.environment_variables)
    for name, value in spec.environment_variables.items():
        yield partial(check_expressions, f"environment_variables.{name}", value, spec)
    yield lambda: check_plain("experiment", spec.experiment)
    if spec.experiment:
        yield lambda: checked_name(spec.experiment, "experiment")
    yield from environment_checks(spec.environment)


def check_time(seconds: float | None) -> None:
    if seconds is not None and not 0 < seconds <= TIMEOUT_SECONDS_MAX:
        message = f"timeout_seconds is {seconds:g}; it is more than 0 and at most {TIMEOUT_SECONDS_MAX:g}"
        raise Refused("job.timeout", message)


def check_instances(count: int) -> None:
    if count != INSTANCES_MAX:
        detail = f"resources.instance_count is {count}; jobs run on {INSTANCES_MAX} instance here"
        raise Refused("job.instance_count", detail)


def check_environment(spec: EnvironmentSpec) -> None:
    """Raises ``Refused``: ``environment.`` ``requirement``, ``index``, ``python_invalid``; ``path.unsafe``;
    ``job.secret_in_text``, ``job.variable``."""
    for refused in environment_faults(spec):
        raise refused


def environment_faults(spec: EnvironmentSpec) -> Iterator[Refused]:
    return faults(environment_checks(spec))


def environment_checks(spec: EnvironmentSpec) -> Iterator[Callable[[], object]]:
    yield from environment_text_checks(spec)
    yield lambda: python_versions(spec.python)
    yield lambda: requirements(spec.requirements, "environment.requirements")
    yield lambda: requirements(spec.constraints, "environment.constraints")
    yield lambda: index_urls(spec.indexes, "environment.indexes")
    yield from (partial(SafePath.parse, folder) for folder in spec.modules)
    yield from variable_checks("environment.variables", spec.variables)


def check_names(group: str, names: Collection[str]) -> None:
    """Names become folders and variables on the node, and are said in expressions."""
    for name in names:
        if not IDENTIFIERS.fullmatch(name) or len(name) > NAME_CHARACTERS_MAX:
            raise Refused("name.invalid", f"{group}: {name[:80]!r} is not allowed: {IDENTIFIER_WORDS}")


def check_command(spec: JobSpec) -> None:
    if not spec.command.strip():
        raise Refused("job.command", "command is empty; say what is to be run")
    if "\0" in spec.command:
        raise Refused("job.command", "command has a NUL character, which no program can be given")
    check_expressions("command", spec.command, spec)


def check_expressions(key: str, text: str, spec: JobSpec) -> None:
    names = Names(spec.inputs.keys(), spec.outputs.keys())
    for one in expressions.references(text):
        if message := fault(one, names):
            raise Refused("expression.dangling", f"{key}: {message}")


def check_input(name: str, given: InputSpec) -> None:
    """A literal holds no expression, or inputs could name each other in a circle; data lies where a node can get it."""
    check_plain(f"inputs.{name}", given.path, given.value)
    check_written(name, given)
    if isinstance(given.value, str) and expressions.OPEN in given.value:
        raise Refused("expression.misplaced", f"inputs.{name}: {expressions.IN_A_VALUE}")
    if given.value is None and not can_be_fetched(given):
        raise unfetchable(name, given)


def check_written(name: str, given: InputSpec) -> None:
    """The text of a literal says the same as its value, or the record would say something else than what ran."""
    if not given.written:
        return
    check_plain(f"inputs.{name}", given.written)
    try:
        read = plain_value(given.written)
        is_same = read == given.value and isinstance(read, bool) == isinstance(given.value, bool)
    except ValueError:
        is_same = False
    if not is_same:
        where = f"inputs.{name}: written is {given.written[:80]!r} and value {given.value!r}"
        raise Refused("input.written", f"{where}; written is the same number, true or false as text, or absent")


def check_output(name: str, output: OutputSpec) -> None:
    """Where it is to be kept, and the name and version of a model that is to be made of it; other types are not
    registered."""
    if output.path and expressions.OPEN not in output.path and parse_reference(output.path).form == "local":
        where = f"outputs.{name}.path is {output.path[:200]!r}, a path of a machine"
        advice = f"leave it out: the command writes to ${{{{outputs.{name}}}}}, and the installation keeps that"
        raise Refused("output.path", f"{where}; {advice}")
    if not is_model_output(output):
        return
    checked_name(output.name, f"outputs.{name}.name")
    try:
        written_version(output.version)
    except Refused as refused:
        raise Refused("output.version", f"outputs.{name}: {refused.detail}") from refused


def can_be_fetched(given: InputSpec) -> bool:
    """Whether a node can lay the data of an input out for its command."""
    is_web_file = given.type == "uri_file" and given.path.startswith(("http://", "https://"))
    return bool(given.digest) or is_web_file or (given.mode == "direct" and bool(given.path))


def unfetchable(name: str, given: InputSpec) -> Refused:
    where = f"{given.path[:200]!r} with type {given.type}"
    hint = "give a local path, an http(s) address of a file, or mode direct to hand the address to the command"
    return Refused("input.unsupported", f"inputs.{name}: {where} cannot be fetched here; {hint}")


def check_plain(key: str, *texts: object) -> None:
    """What becomes part of the command or of its variables, beside those themselves."""
    if any(isinstance(text, str) and "\0" in text for text in texts):
        raise Refused("job.nul", f"{key} has a NUL character, which no program can be given; remove it")


def variable_checks(key: str, variables: Mapping[str, str]) -> Iterator[Callable[[], object]]:
    yield from (partial(check_variable, key, name, value) for name, value in variables.items())


def check_variable(key: str, name: str, value: str) -> None:
    """A name that a container could have; a value may have lines, as a key in PEM has."""
    if not VARIABLE.fullmatch(name):
        why = f"{name[:80]!r} is no name of a variable" if name else "a name of a variable is empty"
        raise Refused("job.variable", f"{key}: {why}: {VARIABLE_WORDS}")
    if "\0" in value:
        raise Refused("job.variable", f"{key}.{name[:80]}: has a NUL character, which no variable can hold; remove it")

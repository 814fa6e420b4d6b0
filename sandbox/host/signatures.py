"""Checks that each function's parameters fit what its decorators bind, before anything is allowed to call it.

The rules are those of Microsoft's Python worker (`azure_functions_runtime.functions.Registry`): what it refuses, this
host refuses, with the function and the parameter named.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import azure.functions as func

from sandbox.host.refusals import CannotStart

TRIGGERS = ("httpTrigger", "queueTrigger", "timerTrigger")
OUTPUTS = ("http", "queue")

# A parameter annotated str or bytes gets the plain payload instead of the binding's own type.
PLAIN = "generic"

Binding = Mapping[str, Any]

_registry: Callable[[], Any] = func.get_binding_registry


def converter_of(kind: str) -> Any:
    """The library's own converter for a binding type."""
    return _registry().get(kind)


@dataclass(frozen=True, slots=True)
class Bound:
    """One parameter, or the return value, and the binding behind it."""

    name: str
    kind: str
    annotation: Any
    binding: Binding


@dataclass(frozen=True, slots=True)
class Signature:
    """How a function is called and what becomes of its results."""

    trigger: Bound
    outputs: tuple[Bound, ...]
    returns: Bound | None
    wants_context: bool


def check_signature(name: str, call: Callable[..., Any], bindings: Sequence[Binding]) -> Signature:
    """Match a function's parameters with its bindings, or raise CannotStart naming function and parameter."""

    def refuse(reason: str) -> CannotStart:
        return CannotStart(f"function {name}: {reason}")

    for binding in bindings:
        _check_supported(binding, refuse)
    bound = {str(binding["name"]): binding for binding in bindings if binding["name"] != "$return"}
    returned = next((binding for binding in bindings if binding["name"] == "$return"), None)
    parameters = list(inspect.signature(call).parameters)
    try:
        annotations = typing.get_type_hints(call)
    except (NameError, TypeError) as broken:
        raise refuse(f"its annotations cannot be read: {broken}") from broken

    wants_context = "context" in parameters and "context" not in bound
    if wants_context:
        parameters.remove("context")
        annotation = annotations.get("context")
        if annotation is not None and getattr(annotation, "__name__", "") != "Context":
            raise refuse("the parameter context is an azure.functions.Context")
    for parameter in parameters:
        if parameter not in bound:
            raise refuse(f"the parameter {parameter} has no binding")
    for unused in sorted(set(bound) - set(parameters)):
        raise refuse(f"the binding {unused} has no parameter of that name")

    checked = [_check_parameter(each, bound[each], annotations, refuse) for each in parameters]
    triggers = [each for each in checked if each.binding["type"] in TRIGGERS]
    if len(triggers) != 1:
        raise refuse("a function has one trigger")
    return Signature(
        trigger=triggers[0],
        outputs=tuple(each for each in checked if each not in triggers),
        returns=None if returned is None else _check_return(returned, annotations, refuse),
        wants_context=wants_context,
    )


def _check_supported(binding: Binding, refuse: Callable[[str], CannotStart]) -> None:
    kind, direction = binding["type"], str(binding["direction"]).upper()
    if kind not in TRIGGERS and kind not in OUTPUTS:
        raise refuse(f"this host does not support the binding type {kind} (parameter {binding['name']})")
    if direction == "INOUT":
        raise refuse(f"the binding {binding['name']} is inout, which Python functions do not support")
    if (direction == "OUT") != (kind in OUTPUTS):
        raise refuse(f"the binding {binding['name']} of type {kind} has the direction {direction.lower()}")


def _check_parameter(
    name: str, binding: Binding, annotations: Mapping[str, Any], refuse: Callable[[str], CannotStart]
) -> Bound:
    kind = str(binding["type"])
    if name not in annotations:
        return Bound(name, kind, None, binding)
    annotation = annotations[name]
    is_out = (typing.get_origin(annotation) or annotation) is func.Out
    binds_out = kind in OUTPUTS
    if binds_out and not is_out:
        raise refuse(f"the parameter {name} is an output, so its annotation is azure.functions.Out")
    if is_out and not binds_out:
        raise refuse(f"the parameter {name} is an input, so its annotation is not azure.functions.Out")
    if is_out:
        arguments = typing.get_args(annotation)
        if len(arguments) != 1:
            raise refuse(f"the parameter {name} says Out without saying of what")
        annotation = arguments[0]
    if not isinstance(annotation, type) and typing.get_origin(annotation) in (None, typing.Union):
        raise refuse(f"the annotation of the parameter {name} is not a type")
    if annotation in (str, bytes):
        if kind == "httpTrigger":
            raise refuse(f"the parameter {name} is an azure.functions.HttpRequest")
        return Bound(name, PLAIN, annotation, binding)
    converter = converter_of(kind)
    check = converter.check_output_type_annotation if binds_out else converter.check_input_type_annotation
    _check_type(
        check, annotation, f"the annotation of the parameter {name} does not fit a {kind} binding", refuse
    )
    return Bound(name, kind, annotation, binding)


def _check_return(
    binding: Binding, annotations: Mapping[str, Any], refuse: Callable[[str], CannotStart]
) -> Bound:
    kind = str(binding["type"])
    if "return" not in annotations:
        return Bound("$return", kind, None, binding)
    annotation = annotations["return"]
    if not isinstance(annotation, type):
        raise refuse("the return annotation is not a single type")
    check = converter_of(kind).check_output_type_annotation
    _check_type(check, annotation, f"the return annotation does not fit a {kind} binding", refuse)
    return Bound("$return", kind, annotation, binding)


def _check_type(
    check: Callable[[Any], bool], annotation: Any, otherwise: str, refuse: Callable[[str], CannotStart]
) -> None:
    try:
        fits = check(annotation)
    except TypeError:  # the library asks issubclass() of something that is no class
        fits = False
    if not fits:
        raise refuse(otherwise)

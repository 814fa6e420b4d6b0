"""Stands for the messages that Azure's host and Python worker exchange, so that Microsoft's runtime runs without them.

`azure-functions-runtime` never imports these classes: the host hands them over, and the runtime only reads and writes
attributes. The names are those of the public FunctionRpc protocol. Standard library only.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Message:
    """Holds whatever it is given; a field that was not given reads as None."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        # The runtime probes names that a real message does not have, and needs to be told so.
        if name.startswith("__") or name[:1].isupper():
            raise AttributeError(name)
        return None


class TypedData(Message):
    """One value and its kind, such as `string`, `bytes`, `json` or `http`."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        return next(iter(self.__dict__), None)


class ParameterBinding(Message):
    """The value for one parameter."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        return "data" if "data" in self.__dict__ else None


class StatusResult(Message):
    Failure = 0
    Success = 1


class BindingInfo(Message):
    # A direction and a data type are numbers, as in the protocol.
    undefined = 0
    out = 1
    inout = 2


class RpcHttpCookie(Message):
    SameSite = SimpleNamespace(Lax=1, Strict=2, ExplicitNone=3, **{"None": 0})


def protocol() -> SimpleNamespace:
    """Everything the runtime looks up in `protos`."""
    plain = (
        *("FunctionLoadResponse", "FunctionMetadataResponse", "InvocationResponse", "NullableBool"),
        *("NullableDouble", "NullableString", "NullableTimestamp", "RpcException", "RpcFunctionMetadata"),
        *("RpcHttp", "RpcRetryOptions", "Timestamp", "WorkerInitResponse", "WorkerMetadata"),
    )
    return SimpleNamespace(
        **{name: type(name, (Message,), {}) for name in plain},
        BindingInfo=BindingInfo,
        ParameterBinding=ParameterBinding,
        RpcHttpCookie=RpcHttpCookie,
        StatusResult=StatusResult,
        TypedData=TypedData,
    )


def request(verb: str, body: Message) -> Message:
    """A message to the runtime, as Azure's host sends it."""
    return Message(
        request=Message(**{verb: body}),
        properties={"host": "127.0.0.1", "protos": protocol()},
    )

"""Whether a JSON value is what a type of an SDK says, and nothing more.

SDKs read leniently: unknown members pass, lazy iterables are never looked into, and models stand
beside plain mappings for the convenience of Python's users. `complaints` does none of that: each
member has to be known, each item is looked at, and models come before mappings.
"""

import base64
import binascii
import collections.abc
import dataclasses
import datetime
import enum
import functools
import typing

import pydantic
import typing_extensions

REQUIRED = (typing.Required, typing_extensions.Required)
WRAPPERS = (*REQUIRED, typing.NotRequired, typing_extensions.NotRequired, typing.ClassVar)
ANYTHING = (typing.Any, typing_extensions.Any, object)
LITERALS = (typing.Literal, typing_extensions.Literal)
LISTS = (
    list,
    set,
    tuple,
    collections.abc.Iterable,
    collections.abc.Sequence,
    collections.abc.Collection,
)
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
SCALARS = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    type(None): lambda value: value is None,
    datetime.datetime: lambda value: isinstance(value, str),
    bytes: lambda value: is_base64(value),
}


@dataclasses.dataclass(frozen=True)
class Leave:
    """Members, each as `Type.member`: below those in `free` any JSON may stand, and `news` are
    strings of which the SDK has not heard."""

    free: frozenset = frozenset()
    news: frozenset = frozenset()


def complaints(value, kind, place="body", leave=Leave()):
    """What is wrong with `value`, said with its place; nothing when it is of `kind`."""
    return list(_check(value, kind, place, leave))


def required(kind):
    """The members that a record must have."""
    return [name for name, (_, required) in _members(kind).items() if required]


def _check(value, kind, place, leave):
    kind, _ = _unwrapped(kind)
    origin = typing.get_origin(kind)
    if kind in ANYTHING:
        return
    if _is_union(kind):
        yield from _check_union(value, typing.get_args(kind), place, leave)
    elif origin in LITERALS:
        if not any(type(value) is type(one) and value == one for one in typing.get_args(kind)):
            yield f"{place} is {value!r}, and can be {typing.get_args(kind)}"
    elif kind in SCALARS:
        if not SCALARS[kind](value):
            yield f"{place} is {_name(value)}, and should be {kind.__name__}"
    elif _is_record(kind):
        yield from _check_record(value, kind, place, leave)
    elif origin in MAPPINGS or kind in MAPPINGS:
        yield from _check_mapping(value, typing.get_args(kind), place, leave)
    elif _is_list(kind):
        yield from _check_list(value, typing.get_args(kind), place, leave)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if not _is_one_of(value, kind):
            yield f"{place} is {value!r}, which {kind.__name__} has not"
    else:
        yield f"{place} is {_name(value)}, and should be {getattr(kind, '__name__', kind)}"


def _check_union(value, kinds, place, leave):
    kinds = [_unwrapped(kind)[0] for kind in kinds]
    records = [kind for kind in kinds if _is_record(kind)]
    if any(typing_extensions.is_typeddict(kind) for kind in records):
        # Models beside them are answers, which clients may give back as they got them.
        kinds = [kind for kind in kinds if not _is_model(kind)]
    if any(typing.get_origin(kind) in LITERALS for kind in kinds):
        # Words that a later version of the API may bring.
        kinds = [kind for kind in kinds if kind not in ANYTHING]
    if records:
        kinds = [kind for kind in kinds if not _takes_any_mapping(kind)]
    found = [complaints(value, kind, place, leave) for kind in kinds]
    if all(found):
        # Of several, what was said deepest down.
        yield from max(found, key=lambda said: max(len(one.split(" ")[0]) for one in said))


def _is_one_of(value, kind):
    words = [one.value for one in kind]
    if any(base.__name__ == "CaseInSensitiveEnum" for base in kind.__mro__):
        return isinstance(value, str) and value.upper() in [word.upper() for word in words]
    return value in words


def _check_record(value, kind, place, leave):
    if not isinstance(value, dict):
        yield f"{place} is {_name(value)}, and should be {kind.__name__}"
        return
    members = _members(kind)
    for name, inner in value.items():
        full = f"{kind.__name__}.{name}"
        if full in leave.news:
            yield from _check(inner, str, f"{place}.{name}", leave)
        elif name not in members:
            yield f"{place}.{name} is unknown to {kind.__name__}"
        elif full not in leave.free:
            yield from _check(inner, members[name][0], f"{place}.{name}", leave)
    for name, (_, required) in members.items():
        if required and name not in value:
            yield f"{place}.{name} is missing in {kind.__name__}"


def _check_mapping(value, kinds, place, leave):
    if not isinstance(value, dict):
        yield f"{place} is {_name(value)}, and should be an object"
    elif len(kinds) == 2:
        for name, inner in value.items():
            yield from _check(inner, kinds[1], f"{place}.{name}", leave)


def _check_list(value, kinds, place, leave):
    if not isinstance(value, list):
        yield f"{place} is {_name(value)}, and should be an array"
    elif kinds:
        for index, inner in enumerate(value):
            yield from _check(inner, kinds[0], f"{place}[{index}]", leave)


@functools.cache
def _members(kind):
    """Name in JSON -> (type, whether it is required)."""
    if _is_model(kind):
        # A discriminator has a default in Python, and none in JSON.
        return {
            field.alias or name: (field.annotation, field.is_required() or _is_literal(field))
            for name, field in kind.model_fields.items()
        }
    members = {}
    for name, hint in typing_extensions.get_type_hints(kind, include_extras=True).items():
        hint, wrappers = _unwrapped(hint)
        required = any(wrapper in REQUIRED for wrapper in wrappers)
        alias = next((a for a in (getattr(w, "alias", None) for w in wrappers) if a), name)
        members[alias] = (hint, required or (not wrappers and name in kind.__required_keys__))
    return members


def _unwrapped(kind):
    """A type without `Annotated`, `Required` and their like, and those."""
    wrappers = []
    while True:
        origin = typing.get_origin(kind)
        if origin in WRAPPERS:
            wrappers.append(origin)
            (kind,) = typing.get_args(kind)
        elif hasattr(kind, "__metadata__"):
            wrappers.extend(kind.__metadata__)
            kind = kind.__origin__
        elif isinstance(kind, (typing_extensions.TypeAliasType,)):
            kind = kind.__value__
        else:
            return kind, wrappers


def _is_union(kind):
    return typing.get_origin(kind) is typing.Union or type(kind).__name__ == "UnionType"


def _is_model(kind):
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _is_record(kind):
    return _is_model(kind) or typing_extensions.is_typeddict(kind)


def _is_literal(field):
    return typing.get_origin(field.annotation) in LITERALS


def _is_list(kind):
    # `SequenceNotStr` is what OpenAI's and Anthropic's clients call a list of strings.
    origin = typing.get_origin(kind) or kind
    return origin in LISTS or getattr(origin, "__name__", "") == "SequenceNotStr"


def _takes_any_mapping(kind):
    return typing.get_origin(kind) in MAPPINGS and typing.get_args(kind)[1] in ANYTHING


def is_base64(value):
    """Whether it is a string in either alphabet of base64."""
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return False
    return True


def _name(value):
    return "null" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"

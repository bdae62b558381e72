"""Providers' SDKs as judges of what we send: `request_judges.py CASE JUDGE SOURCE`.

`requests` fails unless the judge is content with each request of the source that is its own, and
`spoilt` unless it refuses each of them once it is spoilt: a judge that takes anything judges
nothing. A source is the folder of golden snapshots, or a file with a request per line:
`{"path": …, "body": …}`.
"""

import copy
import inspect
import json
import pathlib
import re
import sys
import typing

import anthropic.types as claude
import cohere.v2.client
import ollama._types as llama
from anthropic.types.message_create_params import MessageCreateParamsBase
from google.genai import types as google
from openai.types import EmbeddingCreateParams
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from typing_extensions import Literal, NotRequired, Required, TypedDict

import shape

# An image is written as its base64.
shape.SCALARS[llama.Image] = shape.is_base64

Streamed = TypedDict("Streamed", {"stream": NotRequired[typing.Optional[bool]]})


Sampled = TypedDict("Sampled", {"temperature": float, "top_p": float, "top_k": int}, total=False)


class Message(MessageCreateParamsBase, Streamed, Sampled):
    """Anthropic's Messages, with what models before 4.7 take and the SDK knows no more."""


class VertexMessage(TypedDict, total=False):
    """The same on Vertex AI, where the path names the model."""

    anthropic_version: Required[Literal["vertex-2023-10-16"]]
    stream: bool


_claude = typing.get_type_hints(Message, include_extras=True)
VertexMessage.__annotations__.update({k: v for k, v in _claude.items() if k != "model"})


class Completion(CompletionCreateParamsBase, Streamed):
    """OpenAI's chat completions."""


class Response(ResponseCreateParamsBase, Streamed):
    """OpenAI's responses."""


class Content(TypedDict, total=False):
    """`GenerateContentRequest`, whose members the SDK's converters put in their places.

    https://ai.google.dev/api/generate-content#request-body
    """

    contents: Required[typing.List[google.Content]]
    systemInstruction: google.Content
    tools: typing.List[google.Tool]
    toolConfig: google.ToolConfig
    safetySettings: typing.List[google.SafetySetting]
    generationConfig: google.GenerationConfig
    cachedContent: str


class EmbedContent(TypedDict, total=False):
    """`EmbedContentRequest`: https://ai.google.dev/api/embeddings"""

    model: Required[str]
    content: Required[google.Content]
    taskType: str
    title: str
    outputDimensionality: int


class BatchEmbedContents(TypedDict):
    """Several of them."""

    requests: typing.List[EmbedContent]


def arguments(function, *more):
    """What a method of a client takes, as a type."""
    members = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in ("self", "request_options"):
            continue
        hint = typing.get_type_hints(function)[name]
        required = parameter.default is inspect.Parameter.empty
        members[name] = Required[hint] if required else hint
    members.update(more)
    return TypedDict(function.__name__, members, total=False)


CO = cohere.v2.client.V2Client

# By the end of a path: whose request it is, and what it holds.
KINDS = [
    ("anthropic", r"/v1/messages$", Message),
    ("anthropic", r"/anthropic/models/[^/]+:(r|streamR)awPredict$", VertexMessage),
    ("google", r":generateContent$", Content),
    ("google", r":streamGenerateContent\?alt=sse$", Content),
    ("google", r":batchEmbedContents$", BatchEmbedContents),
    ("ollama", r"/api/chat$", llama.ChatRequest),
    ("ollama", r"/api/embed$", llama.EmbedRequest),
    ("cohere", r"/v2/chat$", arguments(CO.chat, ("stream", bool))),
    ("cohere", r"/v2/embed$", arguments(CO.embed)),
    ("cohere", r"/v2/rerank$", arguments(CO.rerank)),
    # botocore's model of the service judges these where the dialect's own tests are.
    ("botocore", r"^/model/[^/]+/", typing.Any),
    ("openai", r"/chat/completions(\?api-version=[\w-]+)?$", Completion),
    ("openai", r"/responses(\?api-version=[\w-]+)?$", Response),
    ("openai", r"/embeddings(\?api-version=[\w-]+)?$", EmbeddingCreateParams),
    # AWS's library has no types, and a judge of its own: bedrock_judge.py.
    ("botocore", r"/model/[^/]+/(converse|converse-stream|invoke)$", None),
]

# Where any JSON may stand: JSON schemas, of which the SDKs' types know a part.
FREE = {"Function.parameters", "ToolParam.input_schema"}
# What the server reads and its client for Python has not heard of:
# https://github.com/ollama/ollama/blob/main/api/types.go
NEWS = {"Message.tool_call_id", "ToolCall.id"}
# What the clients of these fixtures say in words that are not OpenAI's goes to the provider as it is.
LEAVE = shape.Leave(free=FREE, news=NEWS)
PASSED = {
    "ollama_own": ("num_ctx", "options", "keep_alive", "think", "top_k"),
    "unsupported_allowed": ("seed", "foo", "options.foo"),
    "google_thinking": ("extra_body", "options.extra_body"),
    "google_unknown": ("google", "options.google"),
}


# A request in the provider's own API is the client's, who answers for it.
OWN_API = {
    "chat": r"/chat/completions\b",
    "messages": r"/v1/messages$",
    "responses": r"/responses\b",
}


def kind_of(path):
    for judge, end, kind in KINDS:
        if re.search(end, path):
            return judge, kind
    raise SystemExit(f"no judge knows the requests to {path}")


def requests(source):
    """(where from, path, body) of each request."""
    source = pathlib.Path(source)
    if source.is_file():
        for number, line in enumerate(source.read_text().splitlines()):
            request = json.loads(line)
            yield f"line {number + 1}", request["path"], request["body"]
        return
    for snapshot in sorted(source.glob("*__request__*.snap")):
        for section in re.split(r"^=== ", snapshot.read_text(), flags=re.M)[1:]:
            target, _, text = section.partition("\n")
            path = re.match(r"POST (\S+)", text)
            if path and not re.search(own_api(snapshot.name), path[1]):
                body = json.loads(text.partition("\n\n")[2])
                for name in PASSED.get(snapshot.stem.rpartition("__")[2], ()):
                    leave_out(body, name)
                yield f"{snapshot.name}: {target}", path[1], body


def own_api(snapshot):
    return next((end for client, end in OWN_API.items() if f"__{client}__" in snapshot), OWN_API["chat"])


def leave_out(body, name):
    *above, last = name.split(".")
    for member in above:
        body = body.get(member, {})
    body.pop(last, None)


def own(judge, source):
    found = [
        (place, kind_of(path)[1], body)
        for place, path, body in requests(source)
        if kind_of(path)[0] == judge
    ]
    if not found:
        raise SystemExit(f"{source} holds no request for {judge}")
    return found


def complaints(body, kind):
    return shape.complaints(body, kind, leave=LEAVE)


def judged(judge, source):
    found = own(judge, source)
    wrong = []
    for place, kind, body in found:
        wrong += [f"{place}: {what}" for what in complaints(body, kind)]
    if wrong:
        raise SystemExit("\n".join(wrong))
    print(f"{judge}: content with {len(found)} requests")


def places(value, here=()):
    """Where there are objects and scalars."""
    yield here
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return
    for name, below in inner:
        yield from places(below, (*here, name))


# Below these members each SDK takes any JSON.
ANYTHING = {
    "input_schema", "parameters", "parametersJsonSchema", "responseJsonSchema", "schema",
    "json_schema", "input", "args", "arguments", "response", "format", "options",
}


def spoilings(body, kind):
    """The body without what it must have, with an unknown member, with a member of the wrong type."""
    for name in shape.required(kind):
        yield f"no {name}", {member: body[member] for member in body if member != name}
    for place in places(body):
        if ANYTHING.intersection(place):
            continue
        spoilt = copy.deepcopy(body)
        holder = spoilt
        for name in place[:-1]:
            holder = holder[name]
        value = holder[place[-1]] if place else spoilt
        if isinstance(value, dict):
            value["unheard_of"] = 1
        else:
            holder[place[-1]] = {"unheard_of": value}
        yield place, spoilt


def spoilt(judge, source):
    missed, count = [], 0
    for place, kind, body in own(judge, source):
        for where, wrong in spoilings(body, kind):
            count += 1
            if not complaints(wrong, kind):
                missed.append(f"{place}: spoilt at {where}")
    if missed:
        raise SystemExit("taken though spoilt:\n" + "\n".join(missed))
    print(f"{judge}: refuses {count} spoilt requests")


if __name__ == "__main__":
    {"requests": judged, "spoilt": spoilt}[sys.argv[1]](*sys.argv[2:])

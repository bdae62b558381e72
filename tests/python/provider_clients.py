"""Providers' own clients against the scripted provider: `provider_clients.py CLIENT ROOT`.

Each asks for an answer, whole and as a stream, for a call of a tool, and for what is wrong; what
comes back has to be what the SDK's types say, and nothing more (see `shape.py`).
"""

import json
import sys
from pathlib import Path

import anthropic
import cohere
import ollama
import openai
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse
from google import genai
from google.genai import types as google
from google.oauth2 import service_account
from openai.types.chat import ChatCompletion, ChatCompletionChunk

import shape

SAID = "You said: hello"
HELLO = [{"role": "user", "content": "hello"}]
USE = [{"role": "user", "content": "use weather"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
}
FUNCTION = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ARGUMENTS = {"city": 'a "city" in Zürich\n', "days": 42}

answers = []


def kept(response, *_):
    """Keeps what came over the wire, which clients read leniently."""
    answers.append(response.read())


def fits(kind, leave=shape.Leave()):
    """What came last is of `kind`: a whole answer, or each line or event of a stream."""
    body = answers[-1]
    lines = [body] if body.startswith(b"{") and b"\n{" not in body else body.splitlines()
    data = [line.removeprefix(b"data: ") for line in lines if not line.startswith(b"event:")]
    values = [json.loads(one) for one in data if one and one != b"[DONE]"]
    assert values, body
    for value in values:
        wrong = shape.complaints(value, kind, leave=leave)
        assert not wrong, (wrong, value)


def fails(kind, status, ask):
    try:
        ask()
    except kind as error:
        found = getattr(error, "status_code", None) or error.code
        assert found == status, repr(error)
    else:
        raise AssertionError("it did not fail")


def claude(root):
    # A key, and the version of the API that we speak.
    headers = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"}
    headers["Authorization"] = anthropic.Omit()
    client = anthropic.Anthropic(base_url=root, default_headers=headers, max_retries=0)
    asked = {"model": "claude-x", "max_tokens": 99}
    kept_by(client._client)
    answer = client.messages.create(messages=HELLO, **asked)
    fits(anthropic.types.Message)
    assert answer.content[0].text == SAID, answer
    with client.messages.stream(messages=HELLO, **asked) as stream:
        assert stream.get_final_message().content[0].text == SAID
    tool = {"name": "weather", "input_schema": SCHEMA}
    answer = client.messages.create(messages=USE, tools=[tool], **asked)
    fits(anthropic.types.Message)
    assert answer.content[-1].input == ARGUMENTS, answer
    asked["model"] = "x!error-529"
    fails(
        anthropic.APIStatusError, 529, lambda: client.messages.create(messages=HELLO, **asked)
    )


def gemini(root):
    options = {"base_url": root, "api_version": "v1beta", "retry_options": {"attempts": 1}}
    client = genai.Client(api_key="AIza-test", http_options=options)
    kept_by(client._api_client._httpx_client)
    asked = {"model": "gemini-2.5-flash"}
    answer = client.models.generate_content(contents="hello", **asked)
    fits(google.GenerateContentResponse)
    assert answer.text == SAID, answer
    stream = client.models.generate_content_stream(contents="hello", **asked)
    assert "".join(chunk.text or "" for chunk in stream) == SAID
    function = google.FunctionDeclaration(name="weather", parameters=SCHEMA)
    config = {"tools": [google.Tool(function_declarations=[function])]}
    answer = client.models.generate_content(contents="use weather", config=config, **asked)
    fits(google.GenerateContentResponse)
    assert answer.function_calls[0].args == ARGUMENTS, answer
    asked["model"] = "x!error-429"
    fails(
        genai.errors.ClientError,
        429,
        lambda: client.models.generate_content(contents="hello", **asked),
    )


def vertex(root):
    # Google's own client makes the token, out of the key that the service is given, too.
    key = (Path(__file__).parent.parent / "fixtures/service-account.pem").read_text()
    project, region = "scripted-project", "europe-west1"
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "scripted-key",
        "private_key": key,
        "client_email": f"gateway@{project}.iam.gserviceaccount.com",
        "token_uri": f"{root}/token",
    }
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials = service_account.Credentials.from_service_account_info(account, scopes=scopes)
    options = {"base_url": root, "api_version": "v1", "retry_options": {"attempts": 1}}
    client = genai.Client(
        vertexai=True,
        project=project,
        location=region,
        credentials=credentials,
        http_options=options,
    )
    kept_by(client._api_client._httpx_client)
    asked = {"model": "gemini-2.5-flash"}
    answer = client.models.generate_content(contents="hello", **asked)
    fits(google.GenerateContentResponse)
    assert answer.text == SAID, answer
    stream = client.models.generate_content_stream(contents="hello", **asked)
    assert "".join(chunk.text or "" for chunk in stream) == SAID
    own = "gemini-embedding-001"
    for model, texts in [("text-embedding-005", 2), (own, 1), (own, 2)]:
        answer = client.models.embed_content(model=model, contents=["a b", "c"][:texts])
        assert len(answer.embeddings) == texts, answer
    answer = client.models.generate_images(model="imagen-4.0-generate-001", prompt="a tree")
    assert answer.generated_images[0].image.image_bytes == b"image", answer
    claude = anthropic.AnthropicVertex(
        region=region,
        project_id=project,
        credentials=credentials,
        base_url=f"{root}/v1",
        max_retries=0,
    )
    kept_by(claude._client)
    # The version of the API that we speak.
    version = {"extra_body": {"anthropic_version": "vertex-2023-10-16"}}
    asked = {"model": "claude-sonnet-4-5@20250929", "messages": HELLO, **version}
    assert claude.messages.count_tokens(**asked).input_tokens > 0
    asked["max_tokens"] = 99
    answer = claude.messages.create(**asked)
    fits(anthropic.types.Message)
    assert answer.content[0].text == SAID, answer
    with claude.messages.stream(**asked) as stream:
        assert stream.get_final_message().content[0].text == SAID
    claude.access_token = "wrong"
    fails(anthropic.AuthenticationError, 401, lambda: claude.messages.create(**asked))


def llama(root):
    client = ollama.Client(host=root)
    kept_by(client._client)
    answer = client.chat("llama", HELLO)
    fits(ollama.ChatResponse)
    assert answer.message.content == SAID, answer
    stream = client.chat("llama", HELLO, stream=True)
    assert "".join(part.message.content for part in stream) == SAID
    answer = client.chat("llama", USE, tools=[FUNCTION])
    fits(ollama.ChatResponse)
    assert answer.message.tool_calls[0].function.arguments == ARGUMENTS, answer
    answer = client.embed("llama", ["a", "b c"])
    fits(ollama.EmbedResponse)
    assert len(answer.embeddings) == 2, answer
    fails(ollama.ResponseError, 404, lambda: client.chat("x!error-404", HELLO))


# The beginning of a message has all its members, and the SDK reads the role.
START = shape.Leave(free={"ChatMessageStartEventDelta.message"})


def command(root):
    client = cohere.ClientV2(api_key="co-test", base_url=root)
    kept_by(client._client_wrapper.httpx_client.httpx_client)
    answer = client.chat(model="command-a", messages=HELLO)
    fits(V2ChatResponse)
    assert answer.message.content[0].text == SAID, answer
    events = list(client.chat_stream(model="command-a", messages=HELLO))
    fits(V2ChatStreamResponse, START)
    deltas = [event.delta.message.content for event in events if event.type == "content-delta"]
    assert "".join(delta.text for delta in deltas) == SAID, events
    answer = client.chat(model="command-a", messages=USE, tools=[FUNCTION])
    fits(V2ChatResponse)
    assert json.loads(answer.message.tool_calls[0].function.arguments) == ARGUMENTS, answer
    list(client.chat_stream(model="command-a", messages=USE, tools=[FUNCTION]))
    fits(V2ChatStreamResponse, START)
    asked = {"input_type": "search_query", "embedding_types": ["float"]}
    answer = client.embed(model="embed", texts=["a", "b c"], **asked)
    fits(cohere.EmbedByTypeResponse)
    assert len(answer.embeddings.float_) == 2, answer
    answer = client.rerank(model="rerank", query="b", documents=["a", "b"])
    fits(cohere.V2RerankResponse)
    assert answer.results[0].index == 1, answer
    retry = {"max_retries": 0}
    fails(
        cohere.core.ApiError,
        429,
        lambda: client.chat(model="x!error-429", messages=HELLO, request_options=retry),
    )


def gpt(root):
    client = openai.OpenAI(base_url=f"{root}/v1", api_key="sk-test", max_retries=0)
    kept_by(client._client)
    answer = client.chat.completions.create(model="gpt", messages=HELLO)
    fits(ChatCompletion)
    assert answer.choices[0].message.content == SAID, answer
    list(client.chat.completions.create(model="gpt", messages=HELLO, stream=True))
    fits(ChatCompletionChunk)
    answer = client.chat.completions.create(model="gpt", messages=USE, tools=[FUNCTION])
    fits(ChatCompletion)
    (call,) = answer.choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == ARGUMENTS, call
    client.embeddings.create(model="embed", input=["a"], encoding_format="float")
    fits(openai.types.CreateEmbeddingResponse)
    fails(
        openai.APIStatusError,
        503,
        lambda: client.chat.completions.create(model="x!error-503", messages=HELLO),
    )


def kept_by(client):
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], kept]}


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])

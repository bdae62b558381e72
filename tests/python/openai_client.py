"""OpenAI's client against the gateway: `openai_client.py CASE` fails when the client is not content.

OPENAI_BASE_URL and OPENAI_API_KEY say where the gateway is and how to get in.
"""

import asyncio
import json
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

BOTH = ("openai", "anthropic")
THINKING = ("thinks", "thinks-vertex", "thinks-bedrock")
CITING = ("cites", "cites-cohere", "cites-gemini")
CITED = [(3, 9, "https://pages.example/said"), (9, 15, "https://pages.example/last")]
HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}
ARGUMENTS = {"city": 'a "city" in Zürich\n', "days": 42}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# What is tested is what the gateway says, not the client's patience.
client = OpenAI(max_retries=0, timeout=30)


def chat():
    for model in BOTH:
        answer = client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == "You said: hello", answer
        assert answer.choices[0].finish_reason == "stop", answer
        assert answer.model == model, answer
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + 3, answer


def chat_stream():
    for model in BOTH:
        said = ""
        for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
            assert chunk.usage is None, chunk
            said += chunk.choices[0].delta.content or ""
        assert said == "You said: hello", said


def chat_stream_with_usage():
    for model in BOTH:
        chunks = list(
            client.chat.completions.create(
                model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )
        assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 3, chunks[-1]


def tools():
    for model in BOTH:
        answer = client.chat.completions.create(
            model=model, messages=HELLO, tools=[WEATHER], tool_choice="required"
        )
        (call,) = answer.choices[0].message.tool_calls
        assert call.function.name == "weather", call
        assert json.loads(call.function.arguments) == ARGUMENTS, call
        assert answer.choices[0].finish_reason == "tool_calls", answer


def tools_stream():
    for model in BOTH:
        with client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "use weather"}], tools=[WEATHER]
        ) as stream:
            answer = stream.get_final_completion()
        (call,) = answer.choices[0].message.tool_calls
        assert json.loads(call.function.arguments) == ARGUMENTS, call


def tool_round_trip():
    for model in BOTH:
        messages = [{"role": "user", "content": "use weather"}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        message = answer.choices[0].message
        messages.append(message)
        messages.append(
            {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
        )
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        assert answer.choices[0].message.content == "The tool said: sunny", answer


def images_in_messages():
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
    ]
    for model in BOTH:
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": content}]
        )
        assert answer.usage.prompt_tokens > 85, answer


class Answer(BaseModel):
    city: str
    days: int


def structured_output():
    answer = client.chat.completions.parse(model="openai", messages=HELLO, response_format=Answer)
    assert answer.choices[0].message.parsed.days == 42, answer


def places(annotations):
    """What annotations of the Responses API and of chats say."""
    pages = [getattr(annotation, "url_citation", annotation) for annotation in annotations]
    return [(page.start_index, page.end_index, page.url) for page in pages]


def citations():
    for model in CITING:
        answer = client.chat.completions.create(model=model, messages=HELLO)
        message = answer.choices[0].message
        assert places(message.annotations) == CITED, message


def citations_stream():
    for model in CITING:
        with client.chat.completions.stream(model=model, messages=HELLO) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.content == "You said: hello", message
        assert places(message.annotations) == CITED, message


def streamed(model, messages):
    """The message that the client makes of a stream."""
    with client.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as stream:
        return stream.get_final_completion().choices[0].message


def thinking_stream_round_trip():
    """Signed thinking is put together by the client, and its provider knows it again."""
    for model in THINKING:
        messages = [{"role": "user", "content": "use weather"}]
        message = streamed(model, messages)
        whole = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        whole = whole.choices[0].message
        blocks = [dict(block) for block in message.thinking_blocks]
        assert [block.pop("index") for block in blocks] == [0, 1], message
        assert blocks == whole.thinking_blocks, (message, whole)
        assert [block["type"] for block in blocks] == ["thinking", "redacted_thinking"], message
        assert message.reasoning_content == whole.reasoning_content, (message, whole)
        call = message.tool_calls[0].id
        messages += [message, {"role": "tool", "tool_call_id": call, "content": "sunny"}]
        message = streamed(model, messages)
        assert message.content == "The tool said: sunny", message
        messages += [message, {"role": "user", "content": "go on"}]
        assert streamed(model, messages).content == "You said: go on", message


def raw_response():
    raw = client.chat.completions.with_raw_response.create(model="anthropic", messages=HELLO)
    assert raw.headers["x-dragoman-request-id"], raw.headers
    assert raw.parse().choices[0].message.content == "You said: hello"


def async_client():
    async def several():
        fast = AsyncOpenAI(max_retries=0, timeout=30)
        requests = (
            fast.chat.completions.create(model=BOTH[i % 2], messages=HELLO) for i in range(20)
        )
        return await asyncio.gather(*requests)

    for answer in asyncio.run(several()):
        assert answer.choices[0].message.content == "You said: hello", answer


def embeddings():
    # The client asks for base64 and decodes it itself.
    answer = client.embeddings.create(model="embed", input=["a b", "c"])
    assert [len(entry.embedding) for entry in answer.data] == [8, 8], answer
    assert answer.usage.prompt_tokens == 3, answer


def completions():
    answer = client.completions.create(model="instruct", prompt="once upon", max_tokens=50)
    assert answer.choices[0].text == "You said: once upon", answer


def completions_through_chat():
    for model in BOTH[1:]:
        stream = client.completions.create(
            model=model, prompt="once upon", max_tokens=50, stream=True
        )
        said = "".join(chunk.choices[0].text for chunk in stream)
        assert said == "You said: once upon", said


def image_edit():
    picture = ("a.png", b"\x89PNG", "image/png")
    answer = client.images.edit(model="image", image=[picture, picture], prompt="bluer", n=2)
    assert len(answer.data) == 2, answer


def image_generation():
    answer = client.images.generate(model="image", prompt="a cat")
    assert answer.data[0].url == "https://images.example/1.png", answer


def speech():
    answer = client.audio.speech.create(model="speech", voice="alloy", input="say this")
    assert answer.read().startswith(b"ID3")


def transcription():
    answer = client.audio.transcriptions.create(model="whisper", file=("a.wav", b"0123456789"))
    assert answer.text == "Heard 10 bytes.", answer
    sound = ("a.wav", b"0123456789" * 900_000)
    answer = client.audio.transcriptions.create(
        model="whisper", file=sound, language="en", prompt="words", temperature=0.5
    )
    assert answer.text == "Heard 9000000 bytes.", answer


def refused_transcription():
    stranger = OpenAI(api_key="sk-wrong", max_retries=0)
    sound = ("a.wav", b"0123456789" * 900_000)
    try:
        stranger.audio.transcriptions.create(model="whisper", file=sound)
    except openai.AuthenticationError as error:
        assert error.status_code == 401, error.body
        assert error.code == "invalid_api_key", error.body
    else:
        raise AssertionError("a stranger was heard")


def moderation():
    answer = client.moderations.create(model="moderate", input="violence")
    assert answer.results[0].flagged, answer


def responses():
    for model in BOTH:
        answer = client.responses.create(model=model, input="hello", instructions="Be brief.")
        assert answer.output_text == "You said: hello", answer
        assert (answer.model, answer.status) == (model, "completed"), answer
        assert answer.usage.total_tokens == answer.usage.input_tokens + 3, answer


def responses_stream():
    for model in BOTH:
        with client.responses.stream(model=model, input="hello") as stream:
            said = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
            answer = stream.get_final_response()
        assert said == answer.output_text == "You said: hello", said


def responses_tools():
    tool = {"type": "function", "strict": False, **WEATHER["function"]}
    asked = {"model": "anthropic", "tools": [tool]}
    turns = [{"role": "user", "content": "use weather"}]
    answer = client.responses.create(input=turns, **asked)
    with client.responses.stream(input=turns, **asked) as stream:
        streamed = stream.get_final_response()
    for calls in (answer.output, streamed.output):
        (call,) = [item for item in calls if item.type == "function_call"]
        assert json.loads(call.arguments) == ARGUMENTS, call
    turns += answer.output
    call = next(item for item in answer.output if item.type == "function_call")
    turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    answer = client.responses.create(input=turns, **asked)
    assert answer.output_text == "The tool said: sunny", answer


def responses_citations():
    for model in (*CITING, "cites-early"):
        answer = client.responses.create(model=model, input="hello")
        with client.responses.stream(model=model, input="hello") as stream:
            added = [e.annotation for e in stream if e.type.endswith("annotation.added")]
            streamed = stream.get_final_response()
        for response in (answer, streamed):
            (item,) = response.output
            assert places(item.content[0].annotations) == CITED, response
        assert places(added) == CITED, added


def responses_without_memory():
    try:
        client.responses.create(model="anthropic", input="x", previous_response_id="resp_1")
    except openai.BadRequestError as error:
        assert error.param == "previous_response_id", error.body
    else:
        raise AssertionError("a response was remembered")


def models():
    names = [model.id for model in client.models.list()]
    assert "openai" in names and "anthropic" in names, names
    assert client.models.retrieve("anthropic").id == "anthropic"


def raises(kind, status, model="openai", code=None, **more):
    """The request fails with exactly this exception of the client's, also as a stream."""
    for stream in (False, True):
        try:
            client.chat.completions.create(
                model=model, messages=more.pop("messages", HELLO), stream=stream, **more
            )
        except openai.APIStatusError as error:
            assert type(error) is kind, repr(error)
            assert error.status_code == status, repr(error)
            assert error.body["message"], error.body
            assert code is None or error.code == code, error.body
            last = error
        else:
            raise AssertionError(f"{model} did not fail")
    return last


def wrong_key():
    global client
    client = OpenAI(api_key="sk-wrong", max_retries=0)
    raises(openai.AuthenticationError, 401, code="invalid_api_key")


def unknown_model():
    raises(openai.NotFoundError, 404, model="nobody", code="model_not_found")


def invalid_request():
    error = raises(openai.BadRequestError, 400, temperature="hot")
    assert error.param == "temperature", error.body


def unsupported_parameter():
    error = raises(openai.BadRequestError, 400, model="anthropic", seed=7)
    assert error.param == "seed", error.body


def rate_limit():
    error = raises(openai.RateLimitError, 429, model="limited", code="rate_limit_exceeded")
    assert error.response.headers["retry-after"] == "1", error.response.headers


def unavailable():
    raises(openai.InternalServerError, 503, model="unavailable")


def bad_gateway():
    raises(openai.InternalServerError, 502, model="broken")


def provider_timeout():
    raises(openai.InternalServerError, 504, model="silent")


def context_length():
    raises(openai.BadRequestError, 400, model="long", code="context_length_exceeded")


def stream_that_breaks_off():
    said = ""
    try:
        for chunk in client.chat.completions.create(
            model="breaks-off", messages=HELLO, stream=True
        ):
            said += chunk.choices[0].delta.content or ""
    except openai.APIError as error:
        assert said.startswith("You"), said
        assert error.message, repr(error)
    else:
        raise AssertionError(f"the stream ended well: {said}")


if __name__ == "__main__":
    globals()[sys.argv[1]]()

"""Anthropic's client against the gateway: `anthropic_client.py CASE` fails when the client is not
content.

ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY say where the gateway is and how to get in. Of the two
models, one is behind OpenAI's API and one behind Anthropic's.
"""

import sys

import anthropic
from anthropic import Anthropic

BOTH = ("openai", "anthropic")
HELLO = [{"role": "user", "content": "hello"}]
USE = [{"role": "user", "content": "use weather"}]
WEATHER = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    },
}
ARGUMENTS = {"city": 'a "city" in Zürich\n', "days": 42}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# What is tested is what the gateway says, not the client's patience.
client = Anthropic(max_retries=0, timeout=30)


def ask(model, messages=HELLO, **more):
    """The answer, whole and as a stream, which must say the same."""
    asked = {"model": model, "messages": messages, "max_tokens": 4096, **more}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for answer in (whole, streamed):
        assert answer.model == model, answer
        assert answer.usage.output_tokens > 0, answer
        assert answer.usage.input_tokens > 0, answer
    said = [
        [block.model_dump(exclude={"id"}) for block in answer.content]
        for answer in (whole, streamed)
    ]
    assert said[0] == said[1], said
    assert whole.stop_reason == streamed.stop_reason, (whole, streamed)
    return whole


def message():
    for model in BOTH:
        answer = ask(model)
        assert answer.content[0].text == "You said: hello", answer
        assert answer.stop_reason == "end_turn", answer


def system_blocks():
    for model in BOTH:
        system = [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be kind."},
        ]
        plain = ask(model)
        answer = ask(model, system=system, metadata={"user_id": "u1"}, stop_sequences=["END"])
        assert answer.content[0].text == "You said: hello", answer
        assert answer.usage.input_tokens > plain.usage.input_tokens, answer


def tools():
    for model in BOTH:
        for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "weather"}):
            answer = ask(model, USE, tools=[WEATHER], tool_choice=choice)
            (call,) = [block for block in answer.content if block.type == "tool_use"]
            assert (call.name, call.input) == ("weather", ARGUMENTS), call
            assert answer.stop_reason == "tool_use", answer


def tool_round_trip():
    for model in BOTH:
        answer = ask(model, USE, tools=[WEATHER])
        call = answer.content[-1]
        result = {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": [{"type": "text", "text": "sunny"}],
        }
        turns = [
            *USE,
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": [result]},
        ]
        answer = ask(model, turns, tools=[WEATHER])
        assert answer.content[0].text == "The tool said: sunny", answer


def images():
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
    }
    text = {"type": "text", "text": "what is this?"}
    for model in BOTH:
        answer = ask(model, [{"role": "user", "content": [image, text]}])
        assert answer.usage.input_tokens > 85, answer


def thinking():
    answer = ask("anthropic", thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in answer.content] == ["thinking", "text"], answer
    # A model that does not think is not asked to.
    answer = ask("openai", thinking={"type": "enabled", "budget_tokens": 1024})
    assert [block.type for block in answer.content] == ["text"], answer


def citations():
    answer = ask("cites")
    assert "".join(block.text for block in answer.content) == "You said: hello", answer
    first, *cited = answer.content
    assert not first.citations, first
    pages = [citation.url for block in cited for citation in block.citations]
    assert pages == ["https://pages.example/said", "https://pages.example/last"], pages


def citations_before_text():
    (block,) = ask("cites-early").content
    assert block.text == "You said: hello", block
    pages = [citation.url for citation in block.citations]
    assert pages == ["https://pages.example/said", "https://pages.example/last"], pages


def output_limit():
    for model in BOTH:
        answer = ask(model, max_tokens=2)
        assert answer.stop_reason == "max_tokens", answer


def count_tokens():
    for model in BOTH:
        counted = client.messages.count_tokens(model=model, messages=HELLO)
        assert counted.input_tokens > 0, counted


def beta():
    answer = client.beta.messages.create(
        model="anthropic", messages=HELLO, max_tokens=99, betas=["interleaved-thinking-2025-05-14"]
    )
    assert answer.content[0].text == "You said: hello", answer


def raises(kind, status, model, **more):
    """The request fails with exactly this exception of the client's, also as a stream."""
    for stream in (False, True):
        try:
            client.messages.create(
                model=model, messages=HELLO, max_tokens=99, stream=stream, **more
            )
        except anthropic.APIStatusError as error:
            assert type(error) is kind, repr(error)
            assert error.status_code == status, repr(error)
            assert error.body["type"] == "error" and error.body["error"]["message"], error.body
        else:
            raise AssertionError(f"{model} did not fail")


def wrong_key():
    global client
    client = Anthropic(api_key="sk-wrong", max_retries=0)
    raises(anthropic.AuthenticationError, 401, "openai")


def unknown_model():
    raises(anthropic.NotFoundError, 404, "nobody")


def invalid_request():
    raises(anthropic.BadRequestError, 400, "openai", system=5)


def unsupported():
    search = {"type": "web_search_20250305", "name": "web_search"}
    raises(anthropic.BadRequestError, 400, "openai", tools=[search])


def rate_limit():
    raises(anthropic.RateLimitError, 429, "limited")


def stream_that_breaks_off():
    for model in ("breaks-off", "breaks-off-openai"):
        said = ""
        try:
            with client.messages.stream(model=model, messages=HELLO, max_tokens=99) as stream:
                for text in stream.text_stream:
                    said += text
        except anthropic.APIStatusError as error:
            assert said.startswith("You"), said
            assert error.body["error"]["message"], error.body
        else:
            raise AssertionError(f"the stream ended well: {said}")


if __name__ == "__main__":
    globals()[sys.argv[1]]()

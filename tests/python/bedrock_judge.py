"""AWS's own Python library as the judge of what is sent to Bedrock, and of the Bedrock that the tests
play: `bedrock_judge.py CASE` fails when it is not content.

SCRIPTED_URL says where the scripted provider is, AWS_* with what to sign.
"""

import base64
import json
import os
import pathlib
import re
import sys
import urllib.request
from http.client import HTTPMessage

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError
from botocore.validate import ParamValidator

URL = os.environ["SCRIPTED_URL"]
REGION = "eu-central-1"
MODEL = "us.anthropic.claude-sonnet-4-20250514-v1:0"
OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "invoke": "InvokeModel",
}

session = botocore.session.get_session()
service = session.get_service_model("bedrock-runtime")
client = session.create_client(
    "bedrock-runtime",
    region_name=REGION,
    endpoint_url=URL,
    config=Config(retries={"max_attempts": 0, "mode": "standard"}, read_timeout=30),
)


def recorded():
    """The requests to Bedrock that the gateway sent, by the provider's record."""
    with urllib.request.urlopen(f"{URL}/_control/requests") as answer:
        requests = json.load(answer)["requests"]
    ours = [r for r in requests if "botocore" not in header(r, "user-agent").lower()]
    return [r for r in ours if r["path"].startswith("/model/")]


def header(request, name):
    values = [value for key, value in request["headers"] if key.lower() == name]
    assert len(values) <= 1, (name, request)
    return values[0] if values else ""


def typed(value, shape, at):
    """JSON as the shape's Python values; what the library does not check itself is checked here."""
    if getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), (at, value)
        members = shape.members
        unknown = value.keys() - members.keys()
        assert not unknown, f"{at}: {shape.name} has no {unknown}"
        return {k: typed(v, members[k], f"{at}.{k}") for k, v in value.items()}
    if kind == "list":
        assert isinstance(value, list), (at, value)
        return [typed(v, shape.member, f"{at}[{i}]") for i, v in enumerate(value)]
    if kind == "map":
        return {k: typed(v, shape.value, f"{at}.{k}") for k, v in value.items()}
    if kind == "blob":
        return base64.b64decode(value, validate=True)
    if kind == "string":
        assert isinstance(value, str), (at, value)
        assert not shape.enum or value in shape.enum, f"{at}: {value} is none of {shape.enum}"
        length = shape.metadata
        assert length.get("min", 0) <= len(value) <= length.get("max", sys.maxsize), at
        pattern = length.get("pattern")
        assert not pattern or re.fullmatch(pattern, value), f"{at}: {value} is not {pattern}"
    if kind == "float" and isinstance(value, int):
        return float(value)
    return value


def check(path, body):
    """The body is one that the operation takes, the path the one that the library would ask."""
    model, action = path.removeprefix("/model/").split("/")
    operation = service.operation_model(OPERATIONS[action])
    if action == "invoke":
        params = {"body": json.dumps(body).encode()}
    else:
        params = typed(body, operation.input_shape, action)
    assert "modelId" not in params, body
    params["modelId"] = urllib.request.unquote(model)
    report = ParamValidator().validate(params, operation.input_shape)
    assert not report.has_errors(), f"{report.generate_report()}\n{body}"
    built = client._convert_to_request_dict(
        params, operation, endpoint_url=URL, context={"client_region": REGION}
    )
    assert built["url_path"] == path, (built["url_path"], path)
    return action


def golden():
    """Each request of the golden matrix that goes to Bedrock."""
    count = 0
    for file in pathlib.Path(os.environ["GOLDEN"]).glob("*__request__bedrock__*.snap"):
        for part in file.read_text().split("=== ")[1:]:
            found = re.match(r"\S+\nPOST (?:/proxy)?(\S+)\n.*?\n\n(.*)", part, re.DOTALL)
            if found:
                check(found.group(1), json.loads(found.group(2)))
                count += 1
    assert count > 50, count


def requests():
    """Each request that left Envoy."""
    seen = set()
    for request in recorded():
        assert request["method"] == "POST" and not request["query"], request
        seen.add(check(request["path"], json.loads(request["body"])))
    assert seen == set(OPERATIONS), seen


def signatures():
    """Each signature is the one that the library would make of what was received."""
    count = 0
    for request in recorded():
        given = header(request, "authorization")
        names = re.search("SignedHeaders=([^,]+)", given).group(1).split(";")
        known = {
            os.environ["AWS_ACCESS_KEY_ID"]: Credentials(
                os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
            ),
            os.environ["SESSION_KEY_ID"]: Credentials(
                os.environ["SESSION_KEY_ID"],
                os.environ["SESSION_SECRET"],
                os.environ["SESSION_TOKEN"],
            ),
        }
        key, date, region, name, _ = re.search("Credential=([^,]+)", given).group(1).split("/")
        time = header(request, "x-amz-date")
        assert time.startswith(date) and (region, name) == (REGION, "bedrock"), request
        again = AWSRequest(
            request["method"],
            f"{URL}{request['path']}",
            {n: header(request, n) for n in names},
            request["body"].encode(),
        )
        again.context["timestamp"] = time
        signed = HTTPMessage()
        for n in names:
            signed[n] = header(request, n)
        auth = SigV4Auth(known[key], name, region)
        auth.headers_to_sign = lambda _, signed=signed: signed
        to_sign = auth.string_to_sign(again, auth.canonical_request(again))
        expected = auth.signature(to_sign, again)
        assert given.endswith(f"Signature={expected}"), request
        count += 1
    assert count > 5, count


def ask(text, **more):
    message = {"role": "user", "content": [{"text": text}]}
    return {"modelId": MODEL, "messages": [message], **more}


def scripted_answer():
    answer = client.converse(**ask("hello"))
    assert answer["output"]["message"]["content"] == [{"text": "You said: hello"}], answer
    assert answer["stopReason"] == "end_turn", answer
    assert answer["usage"]["outputTokens"] == 3, answer


TOOL = {
    "toolSpec": {
        "name": "weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}


def scripted_stream():
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked = ask(
        "the weather",
        toolConfig={"tools": [TOOL]},
        additionalModelRequestFields=thinking,
        inferenceConfig={"maxTokens": 4000},
    )
    events = list(client.converse_stream(**asked)["stream"])
    kinds = [next(iter(event)) for event in events]
    assert kinds[0] == "messageStart" and kinds[-2:] == ["messageStop", "metadata"], kinds
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    assert deltas[0]["reasoningContent"]["text"], deltas
    pieces = [delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta]
    assert json.loads("".join(pieces)) == {"city": 'a "city" in Zürich\n'}, pieces
    assert events[-1]["metadata"]["usage"]["inputTokens"] > 0, events[-1]


def scripted_exception():
    broken = {**ask("hello"), "modelId": "x!error-after-3"}
    try:
        list(client.converse_stream(**broken)["stream"])
    except EventStreamError as error:
        assert error.response["Error"]["Code"] == "modelStreamErrorException", error
    else:
        raise AssertionError("the stream ended well")


def scripted_errors():
    for status, code in [(429, "ThrottlingException"), (503, "ServiceUnavailableException")]:
        try:
            client.converse(**{**ask("hello"), "modelId": f"x!error-{status}"})
        except ClientError as error:
            assert error.response["Error"]["Code"] == code, error
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error
        else:
            raise AssertionError(f"no error {status}")


def scripted_embedding():
    body = json.dumps({"inputText": "two words"})
    answer = client.invoke_model(
        modelId="amazon.titan-embed-text-v2:0", body=body, contentType="application/json"
    )
    assert json.loads(answer["body"].read())["inputTextTokenCount"] == 2, answer


if __name__ == "__main__":
    globals()[sys.argv[1]]()

"""Our packet codec against npm's socket.io-parser, which decides what a Socket.IO packet is.

Both get the table of packet_table.py and mutations of it (fixed seed) and must agree on every one, but
for the stricter points that the reference names; and each must read what the other writes.
"""

import base64
import importlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reference
from packet_table import NOTHING, PENDING, REFUSED, ROWS, STRICTER, same_value

SCRIPT = Path(__file__).with_name("parser_oracle.js")
SEED = 4_2_7
MUTATIONS = 3_000

# Pieces that mean something somewhere in a packet; blanks of every kind among them.
PIECES = [
    *"0123456789",
    *'-/,[]{}"\\:.+ exn',
    "\t",
    "\n",
    "\u00a0",
    "\ufeff",
    "é",
    "😀",
    "\x00",
    "\x1e",
    "null",
    "true",
    "1e0",
    "0x1",
    "NaN",
    "Infinity",
    '["a"]',
    "{}",
    "/admin,",
    "51-",
    "\\ud800",
    "\\u0000",
    '{"_placeholder":true,"num":0}',
    '"_placeholder"',
    '"num"',
    '"connect"',
    "9" * 18,
    "1e400",
]

Case = tuple[str, tuple[bytes, ...]]
Oracle = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    node = shutil.which("node")
    assert node, "Node.js is missing"

    def ask(**request: Any) -> dict[str, Any]:
        done = subprocess.run(
            [node, SCRIPT],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, "run `npm ci` in tests/ first?\n" + done.stderr.decode()
        return json.loads(done.stdout)

    return ask


@pytest.fixture(params=["fastsio._codec", "reference"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def mutations(cases: list[Case], count: int) -> Iterator[Case]:
    chance = random.Random(SEED)
    for _ in range(count):
        text, attachments = chance.choice(cases)
        for _ in range(chance.randint(1, 3)):
            at = chance.randint(0, len(text))
            cut = chance.choice([0, 0, 1, 1, 2, 5])
            piece = chance.choice(["", chance.choice(PIECES), text[: chance.randint(0, 4)]])
            text = text[:at] + piece + text[at + cut :]
        yield text, attachments[: chance.randint(0, 3)] if chance.random() < 0.2 else attachments


def cases_of_table() -> list[Case]:
    return [(row.text, row.attachments) for row in ROWS if len(row.text) < 1_000]


def decode_as_javascript_does(oracle: Oracle, cases: list[Case]) -> list[Any]:
    request = [
        [text, [base64.b64encode(item).decode() for item in attachments]]
        for text, attachments in cases
    ]
    return [from_answer(answer) for answer in oracle(decode=request)["decode"]]


def from_answer(answer: dict[str, Any]) -> Any:
    """(type, namespace, id, data) in our terms, or REFUSED or PENDING."""
    if "refused" in answer:
        return REFUSED
    if "pending" in answer:
        return PENDING
    packet = answer["packet"]
    number, data = packet["id"], packet["data"]
    return (
        packet["type"],  # 2 or 3 for a binary packet too
        packet["nsp"],
        None if number == {"$undefined": True} else from_json(number),
        NOTHING if data == {"$undefined": True} else from_json(data),
    )


def from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$number" in value:
        return float(value["$number"])
    return None if "$undefined" in value else {key: from_json(item) for key, item in value.items()}


def to_json(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return {"$bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def decode_as_we_do(codec: ModuleType, text: str, attachments: tuple[bytes, ...]) -> Any:
    decoder = codec.Decoder()
    packet = None
    try:
        packet = decoder.add_text(text.encode())
        for attachment in attachments:
            packet = decoder.add_binary(attachment)
    except (reference.ProtocolError, importlib.import_module("fastsio._frames").ProtocolError):
        return REFUSED
    if packet is None:
        return PENDING
    packet_type = packet.type - 3 if packet.type in (5, 6) else packet.type
    return (
        packet_type,
        packet.namespace,
        packet.id,
        NOTHING if packet.data is codec.NO_DATA else packet.data,
    )


def is_a_documented_stricter_point(text: str) -> bool:
    try:
        reference.decode_header(text)
    except reference.ProtocolError as error:
        return error.reason.startswith("stricter")
    return False


def agree(ours: Any, javascripts: Any) -> bool:
    if isinstance(ours, str) or isinstance(javascripts, str):
        return bool(ours == javascripts)
    return same_value(list(ours), list(javascripts))


def test_oracle_is_the_parser_that_decides(oracle):
    # Older ones deliver "50-[...]" and then refuse everything.
    assert tuple(map(int, oracle()["version"].split("."))) >= (4, 2, 7)


def test_table_says_what_javascript_says(oracle):
    rows = [row for row in ROWS if len(row.text) < 100_000]
    answers = decode_as_javascript_does(oracle, [(row.text, row.attachments) for row in rows])
    wrong = []
    for row, answer in zip(rows, answers, strict=True):
        if row.expected == STRICTER:
            is_right = answer != REFUSED or row.text == ""
        elif isinstance(row.expected, tuple):
            packet_type, *rest = row.expected
            is_right = agree((packet_type - 3 if packet_type > 4 else packet_type, *rest), answer)
        else:
            is_right = answer == row.expected
        if not is_right:
            wrong.append((row, answer))
    assert not wrong


@pytest.mark.feature("1.14 grammar")
@pytest.mark.feature("1.14 validity")
def test_we_read_what_javascript_reads_and_refuse_what_it_refuses(oracle, codec):
    cases = cases_of_table()
    cases += mutations(cases, MUTATIONS)
    answers = decode_as_javascript_does(oracle, cases)
    wrong = []
    for (text, attachments), answer in zip(cases, answers, strict=True):
        ours = decode_as_we_do(codec, text, attachments)
        if not agree(ours, REFUSED if is_a_documented_stricter_point(text) else answer):
            wrong.append(
                {"text": text, "attachments": attachments, "ours": ours, "JavaScript's": answer}
            )
    assert not wrong, f"{len(wrong)} of {len(cases)}, first: {wrong[:10]}"


def test_mutations_reach_all_outcomes_and_are_always_the_same(oracle):
    cases = cases_of_table()
    mutated = list(mutations(cases, MUTATIONS))
    assert mutated == list(mutations(cases, MUTATIONS))
    answers = decode_as_javascript_does(oracle, mutated)
    refused, pending = answers.count(REFUSED), answers.count(PENDING)
    assert refused > MUTATIONS // 10
    assert pending > 10
    assert len(answers) - refused - pending > MUTATIONS // 10
    stricter = sum(map(is_a_documented_stricter_point, (text for text, _ in mutated)))
    assert 0 < stricter < MUTATIONS // 5


# What both can write byte for byte: no floats (1.0 and 1e21 differ), no keys that look like numbers
# (JavaScript sorts them).
VALUES = [
    ["a"],
    ["a", 1, -7, 0, 2**53],
    ["", True, False, None],
    ["é€😀\u2028\x7f/", '\b\f\n\r\t"\\\x00\x1f\x1e'],
    ["a", "\ud800", "é\udfff"],
    ["a", {"k": {"l": [[], {}, ""]}}],
    ["a", b""],
    ["a", b"\x00\xff" * 500, b"x"],
    ["a", {"x": [b"0", {"y": b"1"}], "z": b"2"}, b"3"],
    ["a", {"_placeholder": False, "num": 0}, b"x"],
    ["a", *[bytes([i]) for i in range(10)]],
    ["a", [[[[[b"deep"]]]]]],
]
ADDRESSES = [("/", None), ("/", 0), ("/admin", None), ("/é😀?x=1", 987_654_321)]
PACKETS = [(2, *address, value) for address in ADDRESSES for value in VALUES]
PACKETS += [(3, *address, value[1:]) for address in ADDRESSES for value in VALUES]
PACKETS += [
    (0, "/", None, NOTHING),
    (0, "/admin", None, NOTHING),
    (0, "/", None, {"sid": "x"}),
    (0, "/admin", None, {"a": ["é"]}),
    (1, "/", None, NOTHING),
    (1, "/admin", None, NOTHING),
    (4, "/", None, {"message": "no"}),
    (4, "/admin", None, "plain"),
]
# What only has to mean the same.
VAGUE_VALUES = [
    ["a", 1.5, 1.0, -0.0, 1e21, 1e-7, 1e300, 5e-324],
    ["a", 2**64, -(10**40)],
    ["a", {1: "x", "b": 2, "0": 3}],
    ["a", {"\udc00": "\ud83d"}, b"x", 2**70, b"y"],
    ["a", ("t", (b"x",))],
    [7, 8],
    ["a", "x" * 100_000],
]


def encode_as_we_do(
    codec: ModuleType, packet_type: int, namespace: str, number: int | None, data: Any
) -> Any:
    return codec.encode_packet(
        packet_type, codec.NO_DATA if data is NOTHING else data, namespace, number
    )


@pytest.mark.feature("1.14 JSON")
def test_we_write_what_javascript_writes(oracle, codec):
    request = [
        {
            "type": packet_type,
            "nsp": namespace,
            **({} if number is None else {"id": number}),
            **({} if data is NOTHING else {"data": to_json(data)}),
        }
        for packet_type, namespace, number, data in PACKETS
    ]
    for packet, answer in zip(PACKETS, oracle(encode=request)["encode"], strict=True):
        ours = encode_as_we_do(codec, *packet)
        assert ours.text == b"4" + answer["text"].encode()
        assert ours.attachments == [base64.b64decode(item) for item in answer["attachments"]]


def test_javascript_reads_what_we_write(oracle, codec):
    packets = PACKETS + [(2, *address, value) for address in ADDRESSES for value in VAGUE_VALUES]
    encoded = [encode_as_we_do(codec, *packet) for packet in packets]
    answers = decode_as_javascript_does(
        oracle, [(item.text[1:].decode(), tuple(item.attachments)) for item in encoded]
    )
    for (packet_type, namespace, number, data), answer in zip(packets, answers, strict=True):
        assert agree((packet_type, namespace, number, as_javascript_keeps_it(data)), answer), answer


def as_javascript_keeps_it(data: Any) -> Any:
    if isinstance(data, list | tuple) and data is not NOTHING:
        return [as_javascript_keeps_it(item) for item in data]
    if isinstance(data, dict):
        return {str(key): as_javascript_keeps_it(value) for key, value in data.items()}
    return data


@pytest.mark.parametrize("name", ["fastsio._payload", "reference"])
def test_base64_is_read_as_nodes_buffer_reads_it(oracle, name):
    payloads = importlib.import_module(name)
    chance = random.Random(SEED)
    alphabet = "ABCDwxyz0189+/-_== \n$"
    texts = ["".join(chance.choices(alphabet, k=chance.randint(0, 12))) for _ in range(1_000)]
    for text, answer in zip(texts, oracle(base64=texts)["base64"], strict=True):
        [(kind, data)] = payloads.decode_payload(b"b" + text.encode())
        assert (kind, data.hex()) == ("b", answer), text

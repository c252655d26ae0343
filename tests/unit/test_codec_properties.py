"""Hypothesis: the compiled frames and packets against the reference, both ways, on whatever it invents.

What one writes the other reads; what was damaged at random both refuse, or both read as the same.
"""

from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import reference
from fastsio import _codec, _frames, _payload
from packet_table import NOTHING, ROWS, same_value

settings.register_profile(
    "codec",
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
relaxed = settings(settings.get_profile("codec"))

ERRORS = (_frames.ProtocolError, reference.ProtocolError)
LIMIT = 1_000

# ------------------------------------------------------------------------------------------ values

texts = st.text(st.characters(), max_size=8) | st.text(
    st.characters(categories=["Cs", "Cc", "Po", "Lo"]), max_size=4
)
numbers = st.integers(-(2**70), 2**70) | st.integers(-10, 10)
floats = st.floats(allow_nan=False, allow_infinity=False)
attachments = st.binary(max_size=300)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda items: st.lists(items, max_size=4) | st.dictionaries(texts, items, max_size=4),
        max_leaves=8,
    )


without_floats = trees(st.none() | st.booleans() | numbers | texts | attachments)
anything = trees(st.none() | st.booleans() | numbers | texts | attachments | floats)
names = texts.filter(lambda name: name not in reference.RESERVED_EVENTS) | numbers
namespaces = st.just("/") | st.from_regex(r"/[^,\x00-\x1f\ud800-\udfff]{1,10}", fullmatch=True)
ids = st.none() | st.integers(0, 10**18 - 1)


def events(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    arguments = st.lists(values, max_size=4)
    return st.builds(lambda name, rest: [name, *rest], names, arguments).filter(
        lambda data: count_bytes(data) <= 10
    )


def count_bytes(value: Any) -> int:
    if isinstance(value, bytes):
        return 1
    if isinstance(value, dict):
        return sum(map(count_bytes, value.values()))
    return sum(map(count_bytes, value)) if isinstance(value, list) else 0


def has_placeholder(value: Any) -> bool:
    if isinstance(value, dict):
        return "_placeholder" in value or any(map(has_placeholder, value.values()))
    return isinstance(value, list) and any(map(has_placeholder, value))


def decode(module: Any, text: bytes, buffers: list[bytes]) -> Any:
    """(type, namespace, id, data), "refused" or "pending"."""
    decoder = module.Decoder()
    packet = None
    try:
        packet = decoder.add_text(text)
        for item in buffers:
            packet = decoder.add_binary(item)
    except ERRORS:
        return "refused"
    if packet is None:
        return "pending"
    data = NOTHING if packet.data is module.NO_DATA else packet.data
    return [packet.type, packet.namespace, packet.id, data]


# ----------------------------------------------------------------------------------------- packets


@relaxed
@given(st.sampled_from([2, 3]), events(without_floats), namespaces, ids)
def test_codec_and_reference_write_the_same_bytes(packet_type, data, namespace, number):
    ours = _codec.encode_packet(packet_type, data, namespace, number)
    theirs = reference.encode_packet(packet_type, data, namespace, number)
    assert ours.text == theirs.text
    assert ours.attachments == theirs.attachments
    assert ours.frames == theirs.frames
    assert ours.payload == theirs.payload


@relaxed
@given(events(anything), namespaces, ids)
def test_each_reads_what_the_other_writes(data, namespace, number):
    assume(not has_placeholder(data))
    packet_type = 5 if count_bytes(data) else 2
    for writer, reader in ((_codec, _codec), (_codec, reference), (reference, _codec)):
        encoded = writer.encode_packet(2, data, namespace, number)
        packet = decode(reader, encoded.text[1:], encoded.attachments)
        assert same_value(packet, [packet_type, namespace, number, as_json_keeps_it(data)])


def as_json_keeps_it(value: Any) -> Any:
    """Two halves of a pair of surrogates that happen to meet are one character afterwards."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [as_json_keeps_it(item) for item in value]
    if isinstance(value, dict):
        return {as_json_keeps_it(key): as_json_keeps_it(item) for key, item in value.items()}
    return value


@relaxed
@given(events(without_floats))
def test_what_the_codec_writes_goes_through_frames_and_payload_unchanged(data):
    encoded = _codec.encode_packet(2, data)
    messages = [("4", encoded.text[1:]), *(("b", item) for item in encoded.attachments)]
    assert _payload.decode_payload(encoded.payload) == messages
    read, error = reference.read_frames(encoded.frames, 100_000, expect_mask=False)
    assert error is None
    assert read == [("text", encoded.text), *(("binary", item) for item in encoded.attachments)]


PIECES = [
    *'0123456789-/,[]{}"\\:.+ ex\t\n',
    "é",
    "\u00a0",
    "\x00",
    "null",
    "true",
    "NaN",
    '["a"]',
    "51-",
    "\\ud800",
]
PIECES += [
    '{"_placeholder":true,"num":0}',
    '"_placeholder"',
    '"num"',
    '"connect"',
    "1e400",
    "9" * 18,
    "[" * 50,
]
edits = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 3), st.sampled_from(["", *PIECES])), max_size=3
)
some_packets = st.sampled_from(
    [(row.text, list(row.attachments)) for row in ROWS if len(row.text) < 200]
)
own_packets = st.builds(
    lambda encoded: (encoded.text[1:].decode(), encoded.attachments),
    st.builds(reference.encode_packet, st.sampled_from([2, 3]), events(anything), namespaces, ids),
)


def edit(text: str, changes: list[tuple[int, int, str]]) -> str:
    for at, cut, piece in changes:
        at = min(at, len(text))
        text = text[:at] + piece + text[at + cut :]
    return text


@settings(relaxed, max_examples=2_000)
@given(some_packets | own_packets, edits, st.integers(0, 3))
@example(('2["a"]', []), [], 3)
@example(("", []), [], 0)
def test_damaged_packet_is_refused_by_both_or_read_as_the_same_by_both(packet, changes, surplus):
    text, buffers = packet
    data = edit(text, changes).encode()
    buffers = buffers if surplus else buffers[:-1]
    ours, theirs = decode(_codec, data, buffers), decode(reference, data, buffers)
    assert ours == theirs or same_value(ours, theirs), data


@relaxed
@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_refused_by_both_or_read_as_the_same_by_both(text):
    data = text.encode()
    ours, theirs = decode(_codec, data, []), decode(reference, data, [])
    assert ours == theirs or same_value(ours, theirs), data


# ---------------------------------------------------------------------------------------- payloads

payload_packets = st.builds(
    lambda kind, data: kind + data,
    st.sampled_from([b"4", b"b", b"2", b"1", b""]),
    st.binary(max_size=9),
)
payload_packets |= st.builds(
    lambda text: b"b" + text, st.text("AQIDBAz09+/-_== \n", max_size=12).map(str.encode)
)
payload_packets |= st.builds(
    lambda text: b"4" + text.encode(), st.text(st.characters(codec="utf-8"), max_size=9)
)


def decode_payload(module: Any, body: bytes) -> tuple[list[Any], bool]:
    try:
        return module.decode_payload(body), True
    except ERRORS as error:
        return error.packets, False


@settings(relaxed, max_examples=1_000)
@given(st.lists(payload_packets, max_size=5).map(b"\x1e".join) | st.binary(max_size=40))
def test_any_payload_gives_the_same_packets_and_the_same_verdict(body):
    assert decode_payload(_payload, body) == decode_payload(reference, body)


# ------------------------------------------------------------------------------------------ frames

masks = st.binary(min_size=4, max_size=4)
texts_in_frames = st.text(st.characters(codec="utf-8"), max_size=150).map(str.encode)


@st.composite
def messages(draw: Any) -> bytes:
    """A whole message, perhaps in fragments with control frames between them; or a control frame."""
    opcode = draw(
        st.sampled_from([reference.TEXT, reference.BINARY, reference.PING, reference.PONG])
    )
    if opcode > reference.CLOSE:
        return reference.build_frame(opcode, draw(st.binary(max_size=125)), draw(masks))
    payload = draw(texts_in_frames if opcode == reference.TEXT else st.binary(max_size=300))
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    stream = b""
    for i, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(payload)], strict=True)):
        if i and draw(st.booleans()):
            stream += reference.build_frame(
                reference.PING, draw(st.binary(max_size=5)), draw(masks)
            )
        kind = reference.CONTINUATION if i else opcode
        stream += reference.build_frame(kind, payload[start:end], draw(masks), fin=i == len(cuts))
    return stream


closes = st.just(b"") | st.builds(
    lambda code, reason: code.to_bytes(2, "big") + reason,
    st.sampled_from([1000, 1001, 1005, 1014, 1016, 3000, 4999, 5000]) | st.integers(0, 65_535),
    st.binary(max_size=9) | texts_in_frames.map(lambda text: text[:100]),
)
streams = st.builds(
    lambda parts, close: b"".join(parts) + close,
    st.lists(messages(), max_size=5),
    st.just(b"")
    | st.builds(
        lambda payload, mask: reference.build_frame(reference.CLOSE, payload, mask), closes, masks
    ),
)
split_points = st.lists(st.integers(0, 2_000), max_size=8)


def pieces_of(data: bytes, points: list[int]) -> list[bytes]:
    cuts = sorted({min(point, len(data)) for point in points} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(cuts)]


def read(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[tuple], int | None]:
    reader = _frames.FrameReader(limit)
    for piece in pieces:
        original = bytes(bytearray(piece))
        try:
            reader.feed(piece)
        except _frames.ProtocolError as error:
            return reader.events, error.close_code
        finally:
            assert piece == original  # never unmasked in place
    return reader.events, None


def expected(data: bytes, limit: int = LIMIT) -> tuple[list[tuple], int | None]:
    found, error = reference.read_frames(data, limit)
    return found, None if error is None else error.close_code


@settings(relaxed, max_examples=500)
@given(streams, split_points)
def test_stream_of_frames_gives_the_same_events_however_it_is_split(stream, points):
    whole = read([stream])
    assert whole == expected(stream)
    assert read(pieces_of(stream, points)) == whole
    assert read([stream[i : i + 1] for i in range(len(stream))]) == whole


@settings(relaxed, max_examples=1_000)
@given(
    streams,
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255), st.booleans()), max_size=3),
    split_points,
)
def test_damaged_stream_gives_the_same_events_and_the_same_error(stream, damages, points):
    damaged = bytearray(stream)
    for at, byte, is_insertion in damages:
        at = min(at, len(damaged))
        damaged[at : at if is_insertion else at + 1] = bytes([byte])
    assert_same_verdict(bytes(damaged), points)


@settings(relaxed, max_examples=500)
@given(st.binary(max_size=60), split_points)
@example(b"\x82\xfe\x10\x00", [])
@example(b"\x88\x81", [])
def test_any_bytes_give_the_same_events_and_the_same_error(data, points):
    assert_same_verdict(data, points)


def assert_same_verdict(data: bytes, points: list[int]) -> None:
    whole, theirs = read([data]), expected(data)
    assert read(pieces_of(data, points)) == whole
    if whole != theirs:
        # The reader may wait for the whole head (and a control frame's payload) where the length alone says it all.
        assert whole == (theirs[0], None)
        assert theirs[1] in (1002, 1009)
        assert read([data, bytes(13)]) == theirs


@relaxed
@given(st.binary(max_size=40) | texts_in_frames)
def test_utf8_check_agrees_with_python(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        is_valid = False
    else:
        is_valid = True
    assert _frames.utf8_valid(data) is is_valid
    assert reference.utf8_valid(data) is is_valid


@relaxed
@given(st.integers(0, 15), st.binary(max_size=300), st.none() | masks, st.booleans())
def test_codec_and_reference_build_the_same_frames(opcode, payload, mask, fin):
    assert _frames.build_frame(opcode, payload, mask, fin) == reference.build_frame(
        opcode, payload, mask, fin
    )

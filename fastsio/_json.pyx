"""JSON as JavaScript reads and writes it, with binary values taken out on the way.

Pure. orjson, with the stdlib once where orjson refuses; or a module that the user gave.
Source: ECMA-262 25.5 (JSON); socket.io-protocol v5 for placeholders.
"""
import json as stdlib_json
import math

import orjson

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Copy
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.ref cimport Py_INCREF
from libc.string cimport memchr, memcmp, memcpy

from fastsio._frames import OverLimit, ProtocolError
from fastsio.models import as_builtins, is_model

cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 max_character)
    void* PyUnicode_DATA(object text) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept
    bint PyUnicode_IS_COMPACT_ASCII(object text) noexcept

cdef enum:
    # Where the slow JSON path stops: it is recursive. Reading, orjson's own limit; the stdlib's changes with
    # Python's version.
    MAX_DEPTH = 900
    MAX_LOAD_DEPTH = 1024
    MAX_ATTACHMENTS = 10  # see _codec.pyx
    INVALID_DATA = 1007
    MAX_STRINGS = 16
    # Event names are few and come again and again.
    NAMES = 256
    MAX_NAME = 32


# --- arrays of plain strings -------------------------------------------------------------------
#
# Most events and acks are a name and a text or two, or a file. Written and read here they cost less than a call
# into orjson with what it needs around it: 2,430 instructions -> 1,030 to load ["echo","32 characters"],
# 1,600 -> 590 to encode the answer (make gate). Anything else, and any character that JSON writes as an escape, is
# orjson's.

cdef bint is_plain(const unsigned char* p, Py_ssize_t n) noexcept:
    """ASCII that stands for itself within quotes. Without a branch, so that it is vectorised."""
    cdef unsigned char c
    cdef unsigned char others = 0
    cdef Py_ssize_t i
    for i in range(n):
        c = p[i]
        others |= (c < 0x20) | (c >= 0x80) | (c == c'"') | (c == c"\\")
    return not others


cdef inline str ascii_text(const char* p, Py_ssize_t n):
    cdef str text = PyUnicode_New(n, 127)
    memcpy(PyUnicode_DATA(text), p, n)
    return text


cdef list names = [None] * NAMES


cdef str name_text(const char* p, Py_ssize_t n):
    """ascii_text() for the name of an event or a namespace: the same object each time, whose hash is known."""
    if n == 0 or n > MAX_NAME:
        return ascii_text(p, n)
    cdef const unsigned char* b = <const unsigned char*> p
    cdef size_t slot = (b[0] * 7 + b[n - 1] * 31 + b[n >> 1] + n) % NAMES
    cdef object name = names[slot]
    if name is None or PyUnicode_GET_LENGTH(name) != n or memcmp(PyUnicode_DATA(name), p, n) != 0:
        names[slot] = name = ascii_text(p, n)
    return <str> name


cdef enum:
    # {"_placeholder":true,"num":N}
    NUMBER_AT = 27
    PLACEHOLDER = 29
    MAX_PLACEHOLDERS = 10


cdef list placeholders = [{"_placeholder": True, "num": i} for i in range(MAX_PLACEHOLDERS)]


cdef list load_strings(const char* p, Py_ssize_t n):
    """The value of a JSON array that holds nothing but plain strings, and placeholders as encoders write them.

    None if it is anything else.
    """
    cdef const char* end = p + n - 1
    cdef const char* starts[MAX_STRINGS]
    cdef Py_ssize_t sizes[MAX_STRINGS]
    cdef const char* quote
    cdef int count = 0
    if n < 4 or p[0] != c"[" or end[0] != c"]":
        return None
    p += 1
    while count < MAX_STRINGS:
        if p[0] == c'"':
            p += 1
            quote = <const char*> memchr(p, c'"', end - p)
            if quote == NULL or not is_plain(<const unsigned char*> p, quote - p):
                return None
            starts[count] = p
            sizes[count] = quote - p
            p = quote + 1
        elif end - p >= PLACEHOLDER and is_placeholder(p):
            starts[count] = p + NUMBER_AT
            sizes[count] = -1
            p += PLACEHOLDER
        else:
            return None
        count += 1
        if p == end:
            return strings_of(starts, sizes, count)
        if p[0] != c",":
            return None
        p += 1
    return None


cdef bint is_placeholder(const char* p) noexcept:
    return (
        memcmp(p, b'{"_placeholder":true,"num":', NUMBER_AT) == 0
        and c"0" <= p[NUMBER_AT] <= c"9"
        and p[NUMBER_AT + 1] == c"}"
    )


cdef list strings_of(const char** starts, Py_ssize_t* sizes, int count):
    cdef list strings = PyList_New(count)  # at once in its size
    cdef object item
    cdef int i
    for i in range(count):
        if sizes[i] < 0:
            # A dictionary of its own, for packets without attachments give it to the application.
            item = PyDict_Copy(placeholders[starts[i][0] - c"0"])
        elif i == 0:
            item = name_text(starts[i], sizes[i])
        else:
            item = ascii_text(starts[i], sizes[i])
        Py_INCREF(item)
        PyList_SET_ITEM(strings, i, item)
    return strings


cdef Py_ssize_t string_size(object item) noexcept:
    """The length of a plain string; -1 if it is anything else."""
    return plain_size(item)


cdef inline Py_ssize_t plain_size(object item) noexcept:
    cdef Py_ssize_t n
    if type(item) is not str or not PyUnicode_IS_COMPACT_ASCII(item):
        return -1
    n = PyUnicode_GET_LENGTH(item)
    return n if is_plain(<const unsigned char*> PyUnicode_DATA(item), n) else -1


cdef Py_ssize_t strings_size(object data, int* attachments) noexcept:
    """How many bytes of JSON `data` is if it is a list of plain strings and bytes; 0 if it is anything else.

    For bytes there are placeholders in the JSON; how many is in `attachments`.
    """
    cdef Py_ssize_t size = 2
    cdef Py_ssize_t n
    attachments[0] = 0
    if type(data) is not list:
        return 0
    for item in <list> data:
        n = plain_size(item)
        if n >= 0:  # likely
            size += n + 3
        elif type(item) is bytes and attachments[0] < MAX_PLACEHOLDERS:
            attachments[0] += 1
            size += PLACEHOLDER + 1
        else:
            return 0
    return max(size - 1, 2)


cdef void write_strings(list data, char* out) noexcept:
    """The strings_size() bytes of JSON."""
    cdef Py_ssize_t n
    cdef char separator = c"["
    cdef char number = c"0"
    for item in data:
        out[0] = separator
        separator = c","
        if type(item) is bytes:
            memcpy(out + 1, b'{"_placeholder":true,"num":0}', PLACEHOLDER)
            out[1 + NUMBER_AT] = number
            number += 1
            out += 1 + PLACEHOLDER
            continue
        n = PyUnicode_GET_LENGTH(item)
        out[1] = c'"'
        memcpy(out + 2, PyUnicode_DATA(item), n)
        out[n + 2] = c'"'
        out += n + 3
    if separator == c"[":
        out[0] = separator
        out += 1
    out[0] = c"]"


# --- anything ----------------------------------------------------------------------------------

cdef class Collector:
    """orjson's `default`: takes the binary values out in the order in which it meets them."""

    cdef list found

    def __call__(self, value):
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.found.append(value if type(value) is bytes else bytes(value))
            return {"_placeholder": True, "num": len(self.found) - 1}
        return as_builtins(value)  # of a model; raises TypeError for anything else


# None while it is at work: meanwhile another thread, or a finaliser, makes its own.
cdef Collector spare_collector = Collector()


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _number(digits):
    """An integer as JavaScript reads it: what is too long for one is a float, and at last infinite."""
    return int(digits) if len(digits) < 400 else float(digits)


cdef object strict_decoder = stdlib_json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_number)


cdef bint is_deeper(object value, int most) except -1:
    """Whether lists and dicts are nested over `most` levels: [] is one."""
    if type(value) is not list and type(value) is not dict:
        return False
    if most == 0:
        return True
    for item in value if type(value) is list else (<dict> value).values():
        if is_deeper(item, most - 1):
            return True
    return False


cdef bint is_text_deeper(const char* p, Py_ssize_t n, int most) noexcept:
    """Whether JSON has arrays and objects nested over `most` levels; of what is no JSON, anything."""
    cdef const char* end = p + n
    cdef int depth = 0
    cdef char c
    while p < end:
        c = p[0]
        p += 1
        if c == c'"':
            while p < end and p[0] != c'"':
                p += 2 if p[0] == c"\\" else 1
            p += 1
        elif c == c"[" or c == c"{":
            depth += 1
            if depth > most:
                return True
        elif c == c"]" or c == c"}":
            depth -= 1
    return False


def is_nested_too_deeply(bytes text) -> bool:
    """Whether JSON that others have judged is nested deeper than decoders take by default."""
    cdef Py_ssize_t n = len(text)
    return n > MAX_LOAD_DEPTH and is_text_deeper(PyBytes_AS_STRING(text), n, MAX_LOAD_DEPTH)


def _plain(value, list found, int depth=0):
    """`value` as the stdlib's json writes what JavaScript would: bytes to placeholders (collected in `found`), NaN
    and infinities to null. ValueError if it is too deep or circular.

    What has none of them stays the object that it is: a module may have its own way to write a named tuple.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"nested over {MAX_DEPTH} levels, or circular")
    if value is None or isinstance(value, (str, int)):  # likely
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        changed = {}
        for key, item in value.items():
            plain = _plain(item, found, depth + 1)
            if plain is not item:
                changed[key] = plain
        return {**value, **changed} if changed else value
    if isinstance(value, (list, tuple)):
        items = [_plain(item, found, depth + 1) for item in value]
        return items if any([plain is not item for plain, item in zip(items, value)]) else value
    if isinstance(value, (bytes, bytearray, memoryview)):
        found.append(bytes(value))
        return {"_placeholder": True, "num": len(found) - 1}
    return _plain(as_builtins(value), found, depth + 1) if is_model(value) else value


def _stdlib_dump(data, list found):
    """JSON of what orjson refuses. JSON.stringify writes a lone surrogate as an escape; so does this."""
    try:
        text = stdlib_json.dumps(_plain(data, found), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:  # the stack was deep already
        raise ValueError("nested too deeply") from None
    return text.encode("utf-8", "backslashreplace")


cdef class Json:
    """JSON both ways: orjson, with the stdlib once where orjson refuses; or a module given as `json=`.

    `module` is a module or an object that has `dumps(value)` (returning str or bytes) and `loads(str)`. It gets
    `separators` and `parse_constant` where it takes them as the standard library's json does; bytes are taken out
    before it sees a value.
    """

    def __cinit__(self, *args, **kwargs):
        self.max_depth = MAX_LOAD_DEPTH
        self.max_attachments = MAX_ATTACHMENTS

    def __init__(self, module=None):
        self.is_builtin = module is None
        if module is None:
            self.dumps = orjson.dumps
            self.loads = orjson.loads
        elif callable(getattr(module, "dumps", None)) and callable(getattr(module, "loads", None)):
            self.dumps = self._compact(module)
            self.loads = self._strict(module)
        else:
            raise TypeError(f"json={module!r} has no dumps() and loads()")

    @staticmethod
    def _compact(module):
        """Its dumps() without blanks, where it takes `separators` as the stdlib's does."""
        try:
            module.dumps([], separators=(",", ":"))
        except TypeError:
            return module.dumps
        return lambda value: module.dumps(value, separators=(",", ":"))

    @staticmethod
    def _strict(module):
        """Its loads() without NaN, where it takes `parse_constant` as the stdlib's does."""
        try:
            module.loads("0", parse_constant=_refuse_constant)
        except TypeError:
            return module.loads
        return lambda text: module.loads(text, parse_constant=_refuse_constant)

    cdef bytes dump(self, object data, list attachments):
        """JSON of `data`; bytes in it are replaced by placeholders and put into `attachments`.

        Raises TypeError (or what the module raises) for what JSON can't hold, ValueError for what is
        nested too deeply.
        """
        global spare_collector
        cdef object text
        cdef Collector collector
        if not self.is_builtin:
            text = self.dumps(_plain(data, attachments))
            if isinstance(text, str):
                return text.encode("utf-8", "backslashreplace")
            if type(text) is bytes:
                return text
            raise TypeError(f"dumps() of the module given as json= returned {type(text).__name__}: str or bytes")
        collector, spare_collector = spare_collector, None
        if collector is None:
            collector = Collector()
        collector.found = attachments
        try:
            return self.dumps(data, collector)
        except TypeError:
            # Keys that are not str, integers over 64 bits, lone surrogates, depth over 254.
            attachments.clear()
            return _stdlib_dump(data, attachments)
        finally:
            collector.found = None
            spare_collector = collector

    cdef object load(self, const char* p, Py_ssize_t n):
        """The value of n bytes of JSON; ProtocolError if they are none, OverLimit if they are nested too deeply."""
        cdef bytes text
        cdef list strings
        if self.is_builtin:
            strings = load_strings(p, n)
            if strings is not None:
                return strings
        text = PyBytes_FromStringAndSize(p, n)
        # orjson looks for the usual limit itself. Each level takes a byte.
        if n > self.max_depth and (self.max_depth < MAX_LOAD_DEPTH or not self.is_builtin):
            self.check_depth(text)
        try:
            if self.is_builtin:
                try:
                    return self.loads(text)
                except ValueError:
                    self.check_depth(text)
                    return strict_decoder.decode(text.decode())
            return self.loads(text.decode())
        except OverLimit:
            raise
        except Exception as error:  # whatever the module given as json= raises
            raise ProtocolError(INVALID_DATA, "invalid payload: not JSON") from error

    cdef int check_depth(self, bytes text) except -1:
        if is_text_deeper(PyBytes_AS_STRING(text), len(text), self.max_depth):
            raise OverLimit(INVALID_DATA, f"JSON nested over {self.max_depth} levels", "max_json_depth")
        return 0


DEFAULT_JSON = Json()

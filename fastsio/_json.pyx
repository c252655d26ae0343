"""JSON as JavaScript reads and writes it, with binary values taken out on the way.

Pure. orjson, with the stdlib once where orjson refuses; or a module that the user gave.
Source: ECMA-262 25.5 (JSON); socket.io-protocol v5 for placeholders.
"""
import json as stdlib_json
import math

import orjson

from cpython.bytes cimport PyBytes_FromStringAndSize

from fastsio._frames import ProtocolError

cdef enum:
    # Where the slow JSON path stops: it is recursive. Reading, orjson's own limit; the stdlib's changes with
    # Python's version.
    MAX_DEPTH = 900
    MAX_LOAD_DEPTH = 1024
    INVALID_DATA = 1007


cdef class Collector:
    """orjson's `default`: takes the binary values out in the order in which it meets them."""

    cdef list found

    def __call__(self, value):
        if isinstance(value, (bytes, bytearray, memoryview)):
            self.found.append(value if type(value) is bytes else bytes(value))
            return {"_placeholder": True, "num": len(self.found) - 1}
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


cdef Collector collector = Collector()


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _number(digits):
    """An integer as JavaScript reads it: what is too long for one is a float, and at last infinite."""
    return int(digits) if len(digits) < 400 else float(digits)


cdef object strict_decoder = stdlib_json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_number)


cdef int check_depth(object value, int depth) except -1:
    if depth > MAX_LOAD_DEPTH:
        raise ValueError(f"nested over {MAX_LOAD_DEPTH} levels")
    if type(value) is list or type(value) is dict:
        for item in value if type(value) is list else (<dict> value).values():
            check_depth(item, depth + 1)
    return 0


def _plain(value, list found, int depth=0):
    """A copy of `value` that the stdlib's json writes as JavaScript would: bytes to placeholders
    (collected in `found`), NaN and infinities to null. ValueError if it is too deep or circular."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested over {MAX_DEPTH} levels, or circular")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item, found, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, found, depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        found.append(bytes(value))
        return {"_placeholder": True, "num": len(found) - 1}
    return value


def _stdlib_dump(data, list found):
    """JSON of what orjson refuses. JSON.stringify writes a lone surrogate as an escape; so does this."""
    try:
        text = stdlib_json.dumps(_plain(data, found), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:  # the stack was deep already
        raise ValueError("nested too deeply") from None
    return text.encode("utf-8", "backslashreplace")


cdef class Json:
    """JSON both ways: orjson, with the stdlib once where orjson refuses; or a module given as `json=`.

    `module` needs `dumps(obj)` (returning str or bytes) and `loads(str)`.
    """

    def __cinit__(self, module=None):
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
        cdef object text
        if not self.is_builtin:
            text = self.dumps(_plain(data, attachments))
            return text if type(text) is bytes else (<str?> text).encode("utf-8", "backslashreplace")
        collector.found = attachments
        try:
            return self.dumps(data, collector)
        except TypeError:
            # Keys that are not str, integers over 64 bits, lone surrogates, depth over 254.
            attachments.clear()
            return _stdlib_dump(data, attachments)
        finally:
            collector.found = None

    cdef object load(self, const char* p, Py_ssize_t n):
        """The value of n bytes of JSON; ProtocolError if they are none."""
        cdef bytes text = PyBytes_FromStringAndSize(p, n)
        try:
            if self.is_builtin:
                try:
                    return self.loads(text)
                except ValueError:
                    value = strict_decoder.decode(text.decode())
                    check_depth(value, 0)
                    return value
            return self.loads(text.decode())
        except Exception as error:  # whatever the module given as json= raises
            raise ProtocolError(INVALID_DATA, "invalid payload: not JSON") from error


DEFAULT_JSON = Json()

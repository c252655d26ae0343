"""A handler whose arguments are validated and converted before it is called.

Written here, so that no Python-level frame runs between the packet and the handler. Knows neither msgspec nor
pydantic: what validates is given to it (core/typed.py).
"""
import inspect

from cpython.object cimport PyObject_Call


cdef class Check:
    """How a handler's arguments are validated; made once for a function, whatever it is registered for.

    required, count: how many positional arguments it needs and takes. fields(arguments, type) validates as many as
    there are and returns an object of which astuple() are the converted ones; None: they stay as they are. others:
    (index, check) of arguments that `fields` leaves alone. rest: validates the tuple of those after `count`; None:
    leaves them. result: converts what the handler returns; None: leaves it. may_raise: what these raise for bad values.
    names: of the arguments, that of *args at the end.
    """

    cdef readonly Py_ssize_t required, count
    cdef readonly object fields, type, astuple, rest, result
    cdef readonly tuple others, may_raise, names

    def __init__(
        self, *, Py_ssize_t required, Py_ssize_t count, fields=None, type=None, astuple=None, tuple others=(),
        rest=None, result=None, tuple may_raise=(), tuple names=(),
    ):
        self.required = required
        self.count = count
        self.fields = fields
        self.type = type
        self.astuple = astuple
        self.others = others
        self.rest = rest
        self.result = result
        self.may_raise = may_raise
        self.names = names

    def convert(self, tuple values, Problem problem) -> tuple:
        """run() for callers in Python."""
        return self.run(values, &problem.index)

    cdef tuple run(self, tuple values, Py_ssize_t* index):
        """The arguments as the handler gets them. Raises one of may_raise; index[0] says for which then.

        It is -1 where the error says it itself, and `count` for one of *args, of which the error says how far on it is.
        """
        cdef Py_ssize_t n = len(values)
        cdef tuple converted = values
        cdef list changed
        if self.fields is not None:
            converted = self.astuple(self.fields(values, self.type))
            if n < self.count:
                converted = converted[:n]
            elif n > self.count:
                converted += values[self.count :]
        if self.others:
            changed = list(converted)
            for i, check in self.others:
                if i < n:
                    index[0] = i
                    changed[i] = check(changed[i])
            converted = tuple(changed)
        if self.rest is not None and n > self.count:
            index[0] = self.count
            converted = converted[: self.count] + tuple(self.rest(values[self.count :]))
        return converted


cdef class Problem:
    """Where a bad value is: see Check.run()."""

    cdef public Py_ssize_t index

    def __cinit__(self):
        self.index = -1


cdef class TypedCall:
    """`fn(*before, *arguments)` with the arguments as `check` converts them; `before` is the number of the others.

    refuse(error, index, ack) is called for bad ones and raises; error is None if there are too few. `awaited` makes of
    an awaitable result one whose value is converted.
    """

    cdef readonly object fn
    cdef readonly Check check
    cdef Py_ssize_t before
    cdef object refuse, awaited

    def __init__(self, fn, Check check, Py_ssize_t before, refuse, awaited):
        self.fn = fn
        self.check = check
        self.before = before
        self.refuse = refuse
        self.awaited = awaited

    @property
    def __signature__(self):
        return inspect.signature(self.fn, follow_wrapped=False)

    def __call__(self, *args, **keywords):
        cdef tuple values = args[self.before :] if self.before else args
        cdef Py_ssize_t index = -1
        if len(values) < self.check.required:
            return self.refuse(None, len(values), keywords.get("ack"))
        try:
            values = self.check.run(values, &index)
        except self.check.may_raise as error:
            return self.refuse(error, index, keywords.get("ack"))
        if self.before:
            values = args[: self.before] + values
        result = PyObject_Call(self.fn, values, keywords)
        if self.check.result is None:  # likely
            return result
        if hasattr(result, "__await__"):
            return self.awaited(result, self.check.result)
        return self.check.result(result)

"""C interface of _json."""


cdef class Json:
    cdef readonly object dumps
    cdef readonly object loads
    cdef bint is_builtin
    cdef bytes dump(self, object data, list attachments)
    cdef object load(self, const char* data, Py_ssize_t n)

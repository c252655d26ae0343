"""C interface of _json."""


cdef class Json:
    cdef readonly object dumps
    cdef readonly object loads
    cdef readonly bint is_builtin
    # Of what a client may send: levels of nesting, and binary values in one packet.
    cdef public int max_depth
    cdef public int max_attachments
    cdef int check_depth(self, bytes text) except -1
    cdef bytes dump(self, object data, list attachments)
    cdef object load(self, const char* data, Py_ssize_t n)


cdef bint is_plain(const unsigned char* p, Py_ssize_t n) noexcept
cdef str name_text(const char* p, Py_ssize_t n)
cdef Py_ssize_t string_size(object item) noexcept
cdef Py_ssize_t strings_size(object data, int* attachments) noexcept
cdef void write_strings(list data, char* out) noexcept
cdef bint is_deeper(object value, int most) except -1

"""C interface of _json."""


cdef class Json:
    cdef readonly object dumps
    cdef readonly object loads
    cdef readonly bint is_builtin
    cdef bytes dump(self, object data, list attachments)
    cdef object load(self, const char* data, Py_ssize_t n)


cdef bint is_plain(const unsigned char* p, Py_ssize_t n) noexcept
cdef str name_text(const char* p, Py_ssize_t n)
cdef Py_ssize_t strings_size(object data, int* attachments) noexcept
cdef void write_strings(list data, char* out) noexcept
cdef int check_depth(object value, int depth) except -1

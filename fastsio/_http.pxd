"""C interface of _http: requests and the reader that makes them."""


cdef struct Field:
    # A header line's name and value, without blanks around it.
    const char* name
    Py_ssize_t name_size
    const char* value
    Py_ssize_t value_size


cdef const char* read_field(const char* p, const char* end, Field* field) noexcept
cdef bint is_named(const Field* field, const char* name, Py_ssize_t n) noexcept
cdef Py_ssize_t decimal_of(const Field* field) noexcept


cdef class Request:
    cdef readonly str method
    cdef readonly bytes body
    cdef bytes head                 # the request line, the header lines and maybe what follows them
    cdef Py_ssize_t target_at       # where in it the target is
    cdef Py_ssize_t target_size
    cdef unsigned int name_sizes    # a bit for each size that its headers' names have; 0: nobody has looked
    cdef readonly bint is_upgrade       # asks for another protocol
    cdef readonly bint keep_alive
    cdef readonly bint is_too_large     # the body was over the limit and is not here
    cdef dict _headers
    cdef dict fields                # the query's, once somebody has asked
    cdef public object answer       # what hooks say of its answer (engine/response.py), None without hooks
    cdef dict __dict__              # what middleware keeps with it, such as `request.user`
    cdef const char* first_field(self) noexcept
    cdef str argument_(self, str name)
    cdef bytes header_(self, const char* name, Py_ssize_t n)


cdef class Judge:
    cdef object parser
    cdef int completed
    cdef bint is_upgrade
    cdef bint keep_alive
    cdef bint accepts(self, bytes data) except -1


cdef Request whole_request(bytes data, Py_ssize_t max_head_bytes, int max_headers, Py_ssize_t max_body_bytes)
cpdef bytes response_head(int status, headers, Py_ssize_t content_length, bint keep_alive)


cdef class RequestReader:
    cdef object parser
    cdef readonly list ready            # complete requests, oldest first
    cdef readonly bint is_reading       # a request has begun and is not complete
    cdef bint has_announced    # the one that is being read was reported to the router
    cdef public bint wants_continue   # its client waits for "100 Continue"
    cdef readonly str option            # of a parse error: whose limit was met, None if it was no limit
    cdef readonly str complaint         # and what is to be said of it
    cdef Py_ssize_t max_body_bytes
    cdef Py_ssize_t max_head_bytes
    cdef int max_headers
    cdef Py_ssize_t head_bytes      # of the head's parts that httptools reported
    cdef Py_ssize_t unreported_bytes
    cdef Py_ssize_t reports
    cdef readonly Py_ssize_t body_bytes
    cdef bint in_body
    cdef bint is_discarding
    cdef bytes url
    cdef list headers
    cdef list chunks
    cdef bytes feed(self, bytes data)
    cdef int too_big(self, str option, str complaint) except -1
    cdef bint is_idle(self) noexcept
    cdef int finish(self, bint is_too_large) except -1

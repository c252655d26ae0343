"""C interface of _encoded."""


cdef class Encoded:
    cdef bytes frame            # the WebSocket frame of the packet's text; the canonical form
    cdef int text_at            # where in it the text starts
    cdef public bint is_event   # an event that asks for no answer: it may be dropped where a buffer is full
    cdef list buffers           # attachments, None if there are none
    cdef bytes all_frames
    cdef bytes polling
    cdef str string
    cdef bint has_text_buffers  # attachments go out as text messages: Base64, for clients that want that
    cdef list others            # for clients of other dialects, by Dialect or Form; None until asked for
    cdef readonly Py_ssize_t size
    cdef public object key      # of a queue's packets with one key only the newest is sent; None: all are
    cdef bytes deflated         # all frames, compressed without context, for all who get it; see _deflate
    cdef unsigned char deflated_bits    # the window that this takes
    cdef public bint is_plain   # is not to be compressed
    cdef str string_(self)
    cdef bytes frames_(self)
    cdef bytes payload_(self)
    cdef bint is_binary_(self) noexcept
    cdef Encoded spoken(self, int dialect)
    cdef object other(self, int form)


cdef Encoded new_encoded()
cdef Encoded binary_message(bytes data)
cdef bytes join_frames(list packets)
cdef void forget_joined() noexcept

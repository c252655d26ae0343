"""C interface of _encoded."""


cdef enum Kept:
    # In Encoded.others, behind the dialects and forms of _dialects.
    AS_STR = 6          # the text, as ASGI servers take it
    DEFLATED = 7        # all frames, compressed without context, for all who get it; see _deflate
    KEPT = 8


cdef class Encoded:
    cdef bytes frame            # the WebSocket frame of the packet's text; the canonical form
    cdef int text_at            # where in it the text starts
    cdef public bint is_event   # an event that asks for no answer: it may be dropped where a buffer is full
    cdef list buffers           # attachments, None if there are none
    cdef bytes all_frames
    cdef bytes polling
    cdef bint has_text_buffers  # attachments go out as text messages: Base64, for clients that want that
    # What few ask for, by Dialect, Form or Kept; None until one does. A field for each would cost every packet 1 %.
    cdef list others
    cdef readonly Py_ssize_t size
    cdef public object key      # of a queue's packets with one key only the newest is sent; None: all are
    cdef unsigned char deflated_bits    # the window that what is DEFLATED takes
    cdef public bint is_plain   # is not to be compressed
    cdef str string_(self)
    cdef bytes frames_(self)
    cdef bytes payload_(self)
    cdef bint is_binary_(self) noexcept
    cdef object kept(self, int which)
    cdef int keep(self, int which, object made) except -1
    cdef Encoded spoken(self, int dialect)
    cdef object other(self, int form)


cdef Encoded new_encoded()
cpdef Encoded wrap(bytes raw)
cpdef Encoded encode_engine_packet(bytes packet)
cdef Encoded binary_message(bytes data)
cdef bytes join_frames(list packets)
cdef void forget_joined() noexcept

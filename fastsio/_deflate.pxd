"""C interface of _deflate: one connection's side of permessage-deflate."""
from fastsio._encoded cimport Encoded


cdef class Compression:
    cdef readonly Py_ssize_t threshold
    cdef readonly int level
    cdef readonly int mem_level
    cdef dict compressors           # by window bits: for messages that refer to none before them
    cdef object make_compressor(self, int window_bits)
    cdef bytes shared_frames(self, Encoded encoded, int window_bits)
    cdef bytes frames_by(self, object compressor, int flush, Encoded encoded)
    cdef bytes frame_by(self, object compressor, int flush, int opcode, bytes data)


cdef class Deflate:
    cdef Compression compression
    cdef readonly int window_bits           # of what is sent
    cdef readonly int peer_window_bits      # of what comes
    cdef readonly bint has_context          # what is sent may refer to messages before
    cdef readonly bint peer_has_context
    cdef object compressor                  # None until a message is compressed, and without context
    cdef bint has_compressed                # since the last heartbeat
    cdef object inflater                    # None until one comes compressed, and without context
    cdef bytes frames_of(self, Encoded encoded)
    cdef int note_plain(self, Encoded encoded) except -1
    cdef bytes join(self, list packets)
    cdef bytes inflate(self, int opcode, const unsigned char* data, Py_ssize_t n, Py_ssize_t max_bytes)

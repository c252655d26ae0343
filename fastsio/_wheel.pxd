"""C interface of _wheel."""
from libc.stdint cimport int64_t


cdef class Wheel:
    cdef object loop
    cdef object time                # the loop's
    cdef double tick_s
    cdef dict slots                 # number -> set of entries; an entry's wheel_slot is the set that it is in
    cdef int64_t next_slot
    cdef object timer
    cdef readonly Py_ssize_t count
    cdef public object on_stall
    cdef bint has_waited            # this turn is late, and what waited has been read
    cdef double put(self, object entry, double delay_s) except? -1
    cpdef remove(self, entry)
    cdef int start_timer(self) except -1
    cdef int skip_to_used_slot(self, int64_t last_slot) except -1
    cdef int put_back(self, entry, double delay_s, set due) except -1
    cdef bint waits_for_reads(self, double late_s) except -1
    cdef int fire(self, int64_t number) except -1

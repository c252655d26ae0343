"""A truth value of one byte, for what there are ten thousands of: a bint takes four."""

cdef extern from *:
    """
    typedef unsigned char fastsio_flag;
    """
    ctypedef bint flag "fastsio_flag"

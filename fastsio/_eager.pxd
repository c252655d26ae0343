"""C interface of _eager: starting a coroutine as a task, its first step at once."""

cdef object start(object coroutine, object loop, bint* is_suspended)
cdef bint end_loop(object error) except -1

"""C interface of _ids."""

cpdef str new_id()

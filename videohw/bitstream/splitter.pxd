"""What the assembler uses of the splitter's module."""

cdef int open_view(object data, Py_buffer *view) except -1
cdef unsigned long long checked_limit(object value, str name) except 0

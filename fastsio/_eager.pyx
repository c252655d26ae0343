"""Eager tasks: a coroutine's first step runs at once, and one that ends in it needs no Task of its own.

Making a Task is most of what a coroutine handler costs: 1.8 us on Python 3.11, 0.7 us on 3.12 and 3.13 with
their eager start, 0.2 us as done here (bench/micro/test_dispatch.py). Most handlers end without waiting. So
one Task is prepared for a coroutine that is not known yet, and lent to one after the other as their
current_task(); it becomes the coroutine's own as soon as that could make a difference: the coroutine waits,
or somebody has kept or changed the task or its context. Then it is an ordinary Task in every respect.

The one difference: until its first await, asyncio.all_tasks() does not list a handler's task.
Knows nothing of packets and handlers.
"""
import asyncio
import contextvars
import inspect
import logging
import sys
from asyncio import tasks as asyncio_tasks

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.ref cimport Py_DECREF, PyObject
from libc.string cimport memcmp

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object o) noexcept
    object PyContext_CopyCurrent()
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    PyObject* PyDict_SetDefault(object p, object key, object default) except NULL
    # PYGEN_RETURN is 0, PYGEN_NEXT 1, PYGEN_ERROR -1.
    int PyIter_Send(object iterator, object value, PyObject** result) except -1

cdef extern from *:
    """
    /* What the thread is in now, borrowed; NULL if nobody has looked at it yet. */
    #define fastsio_current_context() (PyThreadState_Get()->context)
    """
    PyObject* fastsio_current_context() noexcept

logger = logging.getLogger("fastsio.core")

cdef object Task = asyncio.Task
cdef object NoneType = type(None)
# Given, because making up "Task-123" costs more than 50 ns.
cdef str TASK_NAME = "fastsio handler"

# When what could not be started for want of memory is tried again.
AGAIN_S = 1.0

cdef enum:
    PENDING = 0
    WAITED = 1
    RETURNED = 2
    RAISED = 3

# Task is asyncio's C type, in memory as it is known here, and _current_tasks what current_task() looks up.
cdef bint CAN_LEND = (
    sys.version_info < (3, 14)
    and "t" not in getattr(sys, "abiflags", "")
    and asyncio.Task is getattr(asyncio_tasks, "_CTask", None)
)
cdef dict current_tasks = asyncio_tasks._current_tasks if CAN_LEND else {}
cdef Prepared spare = None


cdef object start(object coroutine, object loop, bint* is_suspended):
    """Run the first step of `coroutine`, as a Task of `loop`; returns its result or raises its exception.

    If it waits for something, is_suspended[0] is set and its Task returned.
    """
    global spare
    cdef Prepared prepared
    is_suspended[0] = False
    if not CAN_LEND:
        task = Task(coroutine, loop=loop, name=TASK_NAME, eager_start=True)
        is_suspended[0] = not task.done()
        return task if is_suspended[0] else task.result()
    prepared, spare = spare, None
    if prepared is None or prepared.loop is not loop or not is_in(prepared.untouched):
        prepared = prepare(loop, PyContext_CopyCurrent())
    return prepared.run(coroutine, is_suspended)


cdef Prepared prepare(object loop, object context):
    """A Task that has not begun: Task() schedules its first step by loop.call_soon, and that is caught."""
    cdef Prepared prepared = Prepared.__new__(Prepared)
    cdef StepCatcher catcher = StepCatcher.__new__(StepCatcher)
    prepared.loop = loop
    prepared.context = context
    prepared.untouched = PyContext_Copy(context)
    prepared.stand_in = StandIn.__new__(StandIn)
    loop.call_soon = catcher
    try:
        prepared.task = Task(prepared.stand_in, loop=loop, name=TASK_NAME, context=context)
    finally:
        del loop.call_soon
    prepared.step = catcher.step
    # Nobody must find it, wait for it, or be told that it was never finished.
    asyncio_tasks._unregister_task(prepared.task)
    prepared.task._log_destroy_pending = False
    prepared.links = PyBytes_FromStringAndSize(links_at(prepared.task), LINKS_BYTES)
    prepared.fields = PyBytes_FromStringAndSize(fields_at(prepared.task), TASK_BYTES)
    prepared.references = Py_REFCNT(prepared.task)
    return prepared


cdef class Prepared:
    """A Task that has not begun, and how to see whether anything was done to it."""

    cdef object loop
    cdef object task
    cdef object step            # runs the task's first step
    cdef object context
    cdef object untouched       # a copy of the context as it was
    cdef StandIn stand_in
    cdef bytes links, fields    # the task's memory as it was
    cdef Py_ssize_t references

    cdef object run(self, object coroutine, bint* is_suspended):
        global spare
        cdef PyObject* result = NULL
        cdef int status = -1
        cdef object value = None
        cdef object failure = None
        outer = <object> PyDict_SetDefault(current_tasks, self.loop, self.task)
        if outer is self.task:  # likely: there was none
            outer = None
        else:
            current_tasks[self.loop] = self.task
        PyContext_Enter(self.context)
        try:
            status = PyIter_Send(coroutine, None, &result)
        except BaseException as error:
            failure = error
        if result is not NULL:
            value = <object> result
            Py_DECREF(value)
        PyContext_Exit(self.context)
        if outer is None:  # likely
            del current_tasks[self.loop]
        else:
            current_tasks[self.loop] = outer
        if status != 1 and self.is_untouched():  # likely
            spare = self
            if failure is not None:
                raise failure
            return value
        self.stand_in.coroutine = coroutine
        self.stand_in.outcome = value if failure is None else failure
        self.stand_in.state = WAITED if status == 1 else RETURNED if status == 0 else RAISED
        return self.begin(outer, is_suspended)

    cdef bint is_untouched(self) except -1:
        """Neither kept nor changed by anybody: any change shows in the bytes of the objects themselves."""
        return (
            Py_REFCNT(self.task) == self.references
            and memcmp(links_at(self.task), PyBytes_AS_STRING(self.links), LINKS_BYTES) == 0
            and memcmp(fields_at(self.task), PyBytes_AS_STRING(self.fields), TASK_BYTES) == 0
            and have_same_fields(self.context, self.untouched)
        )

    cdef object begin(self, object outer, bint* is_suspended):
        """Let the Task take its first step, whose outcome the stand-in has: it is the coroutine's own now."""
        task = self.task
        task._log_destroy_pending = True
        asyncio_tasks._register_task(task)
        if outer is not None:
            asyncio_tasks._leave_task(self.loop, outer)
        try:
            self.context.run(self.step)
        except MemoryError:
            # The loop could not take its next step. Nothing will ever resume the coroutine, so it ends here.
            task._log_destroy_pending = False
            self.stand_in.close()
            raise
        finally:
            if outer is not None:
                asyncio_tasks._enter_task(self.loop, outer)
        if self.stand_in.cancellation is not None:
            # cancel() came before the first await: what is awaited must hear of it.
            task.cancel(*self.stand_in.cancellation.args)
            task.uncancel()  # counted already
        if task.done():
            return task.result()
        is_suspended[0] = True
        return task


cdef class StepCatcher:
    """Stands in for loop.call_soon while a Task is made, and keeps its first step."""

    cdef object step

    def __call__(self, callback, *args, context=None):
        self.step = callback


cdef class StandIn:
    """The coroutine that a prepared Task has: gives it the outcome of the true one's first step, then its others."""

    cdef object coroutine
    cdef object outcome
    cdef int state
    cdef object cancellation

    def send(self, value):
        if self.state == PENDING:
            return self.coroutine.send(value)
        return self.first_step()

    def throw(self, error, value=None, traceback=None):
        if self.state == PENDING:
            return self.coroutine.throw(error if value is None else value)
        # The task was cancelled in its first step, and asyncio says so at the next one, which is this.
        if self.state == RETURNED:
            raise error
        if self.state == WAITED:
            self.cancellation = error
        return self.first_step()

    cdef object first_step(self):
        state, outcome = self.state, self.outcome
        self.state, self.outcome = PENDING, None
        if state == WAITED:
            return outcome
        raise StopIteration(outcome) if state == RETURNED else outcome

    def close(self):
        if self.coroutine is not None:
            self.coroutine.close()

    def __await__(self):
        return self.coroutine.__await__()

    def __getattr__(self, name):
        # cr_frame, __qualname__ and what else tools ask of a task's coroutine.
        return getattr(self.coroutine, name)


# --- any object's memory -----------------------------------------------------------------------

cdef enum:
    MANAGED = 1 << 3 | 1 << 4  # type flags: weak references and __dict__ stand before the object

cdef Py_ssize_t TASK_BYTES = Task.__basicsize__ - sizeof(PyObject)
# From 3.13 on: two pointers, and then what the garbage collector uses.
cdef Py_ssize_t LINKS_BYTES = 2 * sizeof(void*) if Task.__flags__ & MANAGED else 0
# Without the last word: that is the mark of an entered context, and padding.
cdef Py_ssize_t CONTEXT_BYTES = type(PyContext_CopyCurrent()).__basicsize__ - sizeof(PyObject) - sizeof(void*)


cdef inline const char* fields_at(object o) noexcept:
    """What follows the reference count and the type."""
    return <const char*> <PyObject*> o + sizeof(PyObject)


cdef inline const char* links_at(object o) noexcept:
    """Where its weak references and its __dict__ are, if they are not among its fields."""
    return <const char*> <PyObject*> o - 4 * sizeof(void*)


cdef inline bint have_same_fields(object a, object b) noexcept:
    """Two contexts with the very same variables: those are one immutable tree, and its address is compared."""
    return memcmp(fields_at(a), fields_at(b), CONTEXT_BYTES) == 0


cdef enum:
    VARIABLES = 1  # the field of a context that has that tree, where finds_variables()


cdef inline void* variables_of(object context) noexcept:
    return (<void**> fields_at(context))[VARIABLES]


cdef bint finds_variables() except -1:
    """Whether that field, and no other, tells two contexts apart."""
    cdef object empty = PyContext_CopyCurrent()
    cdef object same = PyContext_Copy(empty)
    cdef object other = PyContext_Copy(empty)
    other.run(contextvars.ContextVar("fastsio").set, None)
    return have_same_fields(empty, same) and variables_of(other) != variables_of(empty)


cdef bint FINDS_VARIABLES = finds_variables()


cdef bint is_in(object context) except -1:
    """Whether what runs now has the very same variables as `context`."""
    cdef PyObject* now = fastsio_current_context()
    if FINDS_VARIABLES and now != NULL:  # likely: a copy to compare would be 3 % of an event
        return variables_of(<object> now) == variables_of(context)
    return have_same_fields(PyContext_CopyCurrent(), context)


# --- tasks that nobody waits for ---------------------------------------------------------------

def start_eager(coroutine, set tasks, str what):
    """Run a coroutine as a Task on the running loop, its first step at once; None if it ended in it.

    A Task is put into `tasks` until it is done: the loop itself keeps no strong reference. What it raises
    is logged as a failure of `what`; SystemExit and KeyboardInterrupt end the loop, see end_loop(). If there is no
    memory for a Task, it is started a little later.
    """
    cdef Ending ending
    cdef bint is_suspended = False
    try:
        task = start(coroutine, asyncio.get_running_loop(), &is_suspended)
    except asyncio.CancelledError:
        return None
    except BaseException as error:
        if isinstance(error, MemoryError) and has_not_begun(coroutine):
            asyncio.get_running_loop().call_later(AGAIN_S, start_eager, coroutine, tasks, what)
        elif not end_loop(error):
            logger.error("%s failed", what, exc_info=error)
        return None
    if not is_suspended:
        return None
    try:
        ending = Ending.__new__(Ending)
        ending.tasks = tasks
        ending.what = what
        tasks.add(task)
        task.add_done_callback(ending)
    except MemoryError as error:  # not the caller's, who might begin anew what has begun
        logger.error("nobody waits for the end of %s", what, exc_info=error)
    return task


cdef bint has_not_begun(object coroutine) except -1:
    return inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED


cdef bint end_loop(object error) except -1:
    """True for what a handler raises to end the program: the loop raises it, in a turn of its own, as for a Task.

    Not at once: the caller is a connection's read, and its client and the others have done nothing to be cut off.
    """
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):
        return False
    asyncio.get_running_loop().call_soon(raise_again, error)
    return True


def raise_again(error) -> None:
    raise error


cdef class Ending:
    """Done-callback of a task that nobody waits for."""

    cdef set tasks
    cdef str what

    def __call__(self, task):
        self.tasks.discard(task)
        # What ends the loop the task has raised there.
        if not task.cancelled() and not isinstance(task.exception(), (NoneType, SystemExit, KeyboardInterrupt)):
            logger.error("%s failed", self.what, exc_info=task.exception())

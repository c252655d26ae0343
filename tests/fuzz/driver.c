/* A Python interpreter with libFuzzer inside: the module `_fuzz` that run_target.py needs.
 *
 * An executable of its own, so that the sanitizers' runtime and libFuzzer are in it from the start and the compiled
 * modules find both here; nothing has to be preloaded. Source: LLVM's libFuzzer documentation, "Using libFuzzer as a
 * library" (LLVMFuzzerRunDriver) and the section __libfuzzer_extra_counters; CPython's documentation, "Embedding". */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
extern size_t __sanitizer_get_current_allocated_bytes(void);

/* Coverage that no compiler has put in: branches of Python source (watch.py). */
enum { COUNTERS = 1 << 14 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static PyObject *target;

static int run_one(const uint8_t *data, size_t size) {
    PyObject *input = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *result = input == NULL ? NULL : PyObject_CallOneArg(target, input);
    Py_XDECREF(input);
    if (result == NULL) {
        /* For libFuzzer a failure is an abort: it keeps the input then. */
        PyErr_Print();
        fflush(NULL);
        abort();
    }
    Py_DECREF(result);
    return 0;
}

static PyObject *fuzz_run(PyObject *self, PyObject *args) {
    PyObject *arguments;
    Py_ssize_t count, i;
    char **argv;
    int argc, status;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!", &target, &PyList_Type, &arguments)) return NULL;
    count = PyList_GET_SIZE(arguments);
    argv = calloc((size_t)count + 1, sizeof(char *));
    if (argv == NULL) return PyErr_NoMemory();
    for (i = 0; i < count; i++) {
        const char *argument = PyUnicode_AsUTF8(PyList_GET_ITEM(arguments, i));
        argv[i] = argument == NULL ? NULL : strdup(argument);
        if (argv[i] == NULL) return argument == NULL ? NULL : PyErr_NoMemory();
    }
    Py_INCREF(target);
    argc = (int)count;
    /* Returns only after a list of single inputs; a campaign ends the process. argv stays: libFuzzer keeps it. */
    status = LLVMFuzzerRunDriver(&argc, &argv, run_one);
    return PyLong_FromLong(status);
}

static PyObject *fuzz_hit(PyObject *self, PyObject *number) {
    unsigned long id = PyLong_AsUnsignedLong(number);
    uint8_t *counter = &counters[id % COUNTERS];
    (void)self;
    if (id == (unsigned long)-1 && PyErr_Occurred()) return NULL;
    if (*counter < UINT8_MAX) ++*counter;
    Py_RETURN_NONE;
}

static PyObject *fuzz_allocated_bytes(PyObject *self, PyObject *none) {
    (void)self;
    (void)none;
    return PyLong_FromSize_t(__sanitizer_get_current_allocated_bytes());
}

static PyMethodDef methods[] = {
    {"run", fuzz_run, METH_VARARGS, "run(target, arguments): libFuzzer, with its command line."},
    {"hit", fuzz_hit, METH_O, "hit(number): count one more run of that branch."},
    {"allocated_bytes", fuzz_allocated_bytes, METH_NOARGS, "What malloc() has given out and not got back."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fuzz", "libFuzzer for run_target.py", -1, methods, NULL, NULL, NULL, NULL};

static PyObject *make_module(void) { return PyModule_Create(&module); }

int main(int argc, char **argv) {
    if (PyImport_AppendInittab("_fuzz", make_module) < 0) return 1;
    return Py_BytesMain(argc, argv);
}

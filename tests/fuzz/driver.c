/* A Python interpreter with libFuzzer inside: the module `_fuzz` that run_target.py needs.
 *
 * An executable of its own, so that the sanitizers' runtime and libFuzzer are in it from the start and the compiled
 * modules find both here; nothing has to be preloaded. Source: LLVM's libFuzzer documentation, "Using libFuzzer as a
 * library" (LLVMFuzzerRunDriver) and the section __libfuzzer_extra_counters; its "Structure-aware fuzzing" (custom
 * mutators); CPython's documentation, "Embedding". */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *data, size_t size));
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
extern size_t __sanitizer_get_current_allocated_bytes(void);

/* Coverage that no compiler has put in: branches of Python source (watch.py). */
enum { COUNTERS = 1 << 14 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static PyObject *target;
/* What every share-th input is given to instead: it compares more, and takes longer. */
static PyObject *oracle;
static unsigned long share, compared;

/* FNV-1a: whether an input is compared depends on nothing but its bytes, so that it is again when it is repeated. */
static int is_chosen(const uint8_t *data, size_t size) {
    uint32_t hash = 2166136261u;
    size_t i;
    for (i = 0; i < size; i++) hash = (hash ^ data[i]) * 16777619u;
    return hash % share == 0;
}

static void tell_compared(void) {
    fprintf(stderr, "stat::compared_units: %lu\n", compared);
}

static int run_one(const uint8_t *data, size_t size) {
    PyObject *input = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *called = target, *result;
    if (share > 1 && is_chosen(data, size)) called = oracle;
    if (called == oracle) compared++;
    result = input == NULL ? NULL : PyObject_CallOneArg(called, input);
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

/* --- inputs that are lists of parts (tools.py, parts()): a byte, a length, up to 255 bytes ----------------------- */

enum { MAX_PARTS = 128, MAX_CONTENT = 255 };

/* Where the parts begin in an input; -1 for inputs that have none. */
static Py_ssize_t parts_at = -1;

typedef struct { size_t at, size; } Part;

static size_t find_parts(const uint8_t *data, size_t size, Part *parts) {
    size_t count = 0, at = (size_t)parts_at;
    while (count < MAX_PARTS && at + 2 <= size) {
        const size_t whole = 2 + (size_t)data[at + 1];
        parts[count].at = at;
        parts[count].size = whole < size - at ? whole : size - at;
        at += parts[count++].size;
    }
    return count;
}

/* Put n bytes in the place of those of a part; the size that the input has then, or the old one if there is no room. */
static size_t replace(uint8_t *data, size_t size, size_t max_size, Part part, const uint8_t *bytes, size_t n) {
    const size_t end = part.at + part.size;
    if (size - part.size + n > max_size) return size;
    memmove(data + part.at + n, data + end, size - end);
    memcpy(data + part.at, bytes, n);
    return size - part.size + n;
}

/* libFuzzer changes what is in a part, and the lengths stay right; or parts are copied, left out, changed in kind. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    Part parts[MAX_PARTS];
    uint8_t made[2 + MAX_CONTENT];
    size_t count, n;
    Part part, other;
    if (parts_at < 0 || seed % 16 == 0 || (count = find_parts(data, size, parts)) == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    part = parts[seed / 256 % count];
    other = parts[seed / 65536 % count];
    memcpy(made, data + part.at, part.size);
    switch (seed % 16) {
    case 1: case 2: /* one more, in front of another */
        other.size = 0;
        return replace(data, size, max_size, other, made, part.size);
    case 3: case 4: /* in the place of another */
        return replace(data, size, max_size, other, made, part.size);
    case 5: case 6: /* left out, if it is not the only one */
        return count == 1 ? size : replace(data, size, max_size, part, made, 0);
    case 7: case 8: case 9:
        data[part.at] ^= (uint8_t)(1u << seed / 16 % 8);
        return size;
    default:
        n = LLVMFuzzerMutate(made + 2, part.size - 2, MAX_CONTENT);
        made[1] = (uint8_t)n;
        return replace(data, size, max_size, part, made, 2 + n);
    }
}

/* --- the module --------------------------------------------------------------------------------------------------- */

static PyObject *fuzz_run(PyObject *self, PyObject *args) {
    PyObject *arguments;
    Py_ssize_t count, i;
    char **argv;
    int argc, status;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO!nOk", &target, &PyList_Type, &arguments, &parts_at, &oracle, &share)) return NULL;
    count = PyList_GET_SIZE(arguments);
    argv = calloc((size_t)count + 1, sizeof(char *));
    if (argv == NULL) return PyErr_NoMemory();
    for (i = 0; i < count; i++) {
        const char *argument = PyUnicode_AsUTF8(PyList_GET_ITEM(arguments, i));
        argv[i] = argument == NULL ? NULL : strdup(argument);
        if (argv[i] == NULL) return argument == NULL ? NULL : PyErr_NoMemory();
    }
    Py_INCREF(target);
    Py_INCREF(oracle);
    atexit(tell_compared);
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
    {"run", fuzz_run, METH_VARARGS, "run(target, arguments, parts_at, oracle, share): libFuzzer, with its command line."},
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

"""The part of MicroPython's own module that the pure firmware modules use, for runs on CPython."""


def const(value):
    """MicroPython folds the value at compile time; CPython only needs it."""
    return value


def native(function):
    """MicroPython compiles the function to machine code; CPython runs it as it is."""
    return function

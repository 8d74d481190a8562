"""Functions that are compiled once per machine, before the first job.

compile_kernels.py runs every function (kernel) through numba and links what numba made of them into one
library (`library`). A job calls them from there without numba: importing it and loading sixty functions from
its cache takes a third of a small job. What the library lacks (types of arguments, a type of processor) is
compiled by numba when it is first needed (`just_in_time`). A CellProfiler job is one core's work: no kernel
starts threads.
"""

import functools

import numpy

from . import library

#: Bits of numpy's flags of an array: contiguous (C or Fortran order), aligned, writeable.
C_ORDER, FORTRAN_ORDER, ALIGNED, WRITEABLE = 0x1, 0x2, 0x100, 0x400
FLAGS = C_ORDER | FORTRAN_ORDER | ALIGNED | WRITEABLE


def compiled(function):
    """Decorate a function to be compiled."""
    return Kernel(function, {})


def compiled_in_any_order(function):
    """Decorate as `compiled`, and let the processor add numbers in any order, which is several times faster.

    Sums in double precision differ in their last digits by it. NaN, infinity and the sign of 0 are kept.
    """
    return Kernel(function, {"fastmath": {"reassoc"}})


class Kernel:
    """A compiled function.

    `options`: numba's, beside those of all kernels.
    """

    def __init__(self, function, options):
        functools.update_wrapper(self, function)
        self.options = options
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.by_kinds = {}

    def __call__(self, *arguments):
        """Call the function that was compiled for arguments of these kinds."""
        kinds = tuple([find_kind(argument) for argument in arguments])
        function = self.by_kinds.get(kinds)
        if function is None:
            function = self.by_kinds[kinds] = self.find(kinds)
        return function(*arguments)

    def find(self, kinds):
        """Return the compiled function for arguments of these kinds."""
        names = [name_kind(kind) for kind in kinds]
        found = None if None in names else library.get_function(self.name, names)
        return self.dispatcher if found is None else found

    @functools.cached_property
    def dispatcher(self):
        """Numba's function, which compiles for any types."""
        from .just_in_time import create_dispatcher

        return create_dispatcher(self.__wrapped__, self.options)


def find_kind(value):
    """Return what the compiled function for an argument depends on."""
    kind = type(value)
    if kind is numpy.ndarray:
        return value.dtype, value.ndim, value.flags.num & FLAGS
    # As in numba, integers of 64 bits have no sign.
    return kind if kind is not int or value.bit_length() < 64 else None


#: numba's names of the types of single values.
SINGLE = {int: "int64", float: "float64", bool: "bool"}


def name_kind(kind):
    """Return numba's name for a kind of argument; None if it is none that the library knows."""
    if isinstance(kind, tuple):
        dtype, dimensions, flags = kind
        if not dtype.isnative or dtype.kind not in "biuf" or not flags & ALIGNED:
            return None
        order = "C" if flags & C_ORDER else "F" if flags & FORTRAN_ORDER else "A"
        name = f"array({dtype.name}, {dimensions}d, {order})"
        return name if flags & WRITEABLE else f"readonly {name}"
    if kind in SINGLE:
        return SINGLE[kind]
    is_number = isinstance(kind, type) and issubclass(kind, (numpy.number, numpy.bool_))
    return numpy.dtype(kind).name if is_number else None

"""How many threads the sums may take: the matrix library's own bound, and one where many are harm.

The library shares out even small products, and its threads wait for one another by spinning.  Where
other processes use the cores too, a product of a moment then takes a hundred times as long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@contextmanager
def matrices_on_one_thread() -> Iterator[None]:
    """Bound the matrix library to one thread while this lasts, in the whole process."""
    with _blas().limit(limits=1):
        yield


def bounded_threads() -> int:
    """Threads that the matrix library may take: cores, or OMP_NUM_THREADS where that is set."""
    found = [int(library["num_threads"]) for library in _blas().info()]
    return max(found, default=1)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from analysis.threads import bounded_threads, matrices_on_one_thread


def allowed():
    return {
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    }


def test_the_matrix_library_has_one_thread_and_then_what_it_had():
    with threadpool_limits(2, user_api="blas"):
        before = allowed()
        with matrices_on_one_thread():
            assert allowed() == {1}
            with matrices_on_one_thread():
                pass
            assert allowed() == {1}
        assert allowed() == before


def test_it_has_them_again_after_an_error():
    before = allowed()
    with pytest.raises(ZeroDivisionError), matrices_on_one_thread():
        raise ZeroDivisionError
    assert allowed() == before


def test_threads_are_those_the_matrix_library_may_take():
    with threadpool_limits(2, user_api="blas"):
        assert bounded_threads() == max(allowed())
        with matrices_on_one_thread():
            assert bounded_threads() == 1

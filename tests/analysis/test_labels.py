import pandas as pd
import pytest

from analysis.labels import rows_of, some
from task.contract.errors import AnalysisError

TABLE = pd.DataFrame({"x": [1, 2, 3]}, index=["c", "a", "b"])


def test_rows_come_in_the_order_asked():
    assert rows_of(TABLE, ["b", "c", "b"], "things")["x"].tolist() == [3, 1, 3]


def test_what_is_missing_is_named_once():
    with pytest.raises(AnalysisError, match="^things: no row for 'y', 'z'$"):
        rows_of(TABLE, ["y", "a", "z", "y"], "things")


def test_a_name_that_stands_for_two_rows_is_refused():
    with pytest.raises(AnalysisError, match="^things: more than one row for 'c'$"):
        rows_of(pd.concat([TABLE, TABLE.loc[["c"]]]), ["a"], "things")


def test_long_lists_are_cut_and_counted():
    assert some("abcde") == "'a', 'b', 'c', 'd', 'e'"
    assert some("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
    assert some(pd.Index([3, 1])) == "3, 1"

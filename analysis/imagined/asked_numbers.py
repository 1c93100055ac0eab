"""The answers of a session of imagery as JSON values, and as tidy tables."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.imagery import ImaginedCode, population
from analysis.imagined.along import Along, along_axes
from analysis.imagined.asked import Asked
from analysis.imagined.decoding import ImaginedDecoding, Reading
from analysis.imagined.decoding_course import DecodingCourse
from analysis.imagined.gap import IntensityGap
from analysis.imagined.gap_population import PopulationGap
from analysis.imagined.mixed import MixedVividness
from analysis.imagined.published import FALSE_POSITIVES
from analysis.imagined.rules import PublishedRules
from analysis.imagined.sliding import PopulationCourse
from analysis.imagined.vividness import Vividness
from analysis.shares import share
from analysis.viewing.clusters import Clusters
from task.contract.errors import AnalysisError


def asked_numbers(asked: Asked) -> dict[str, Any]:
    """Numbers of every question that was asked, and why others were not."""
    kinds, decoding = asked.taking_part, asked.decoding
    return {
        "kinds": None
        if kinds is None
        else {"counts": {str(k): int(n) for k, n in kinds.counts.items()}, "said": kinds.said},
        "published": _published(asked.rules),
        "similarity": {
            name: found
            for name, code in asked.similarity.items()
            if (found := _similar(code)) is not None
        },
        "gap": _gap(asked.gap, asked.gap_of_all),
        "decoding": {}
        if decoding is None
        else {name: _decoded(found) for name, found in decoding.decoded.items()},
        "not_decoded": {} if decoding is None else dict(decoding.refused),
        "decoding_courses": {n: _decoding_course(c) for n, c in asked.decoding_courses.items()},
        "courses": {
            name: {**_course(found), "clusters": _clusters(asked.clusters.get(name))}
            for name, found in asked.courses.items()
        },
        "along": {
            axis: _along(of) for axis, of in along_axes(asked.profiles, asked.places).items()
        },
        "profiles": _profiles(asked.profiles, asked.places),
        "vividness_against": {name: _vivid(found) for name, found in asked.vividness.items()},
        "vividness_mixed": {name: _mixed(found) for name, found in asked.mixed.items()},
        "not_asked": list(asked.absent),
    }


def _published(rules: PublishedRules | None) -> dict[str, Any] | None:
    """What each published rule calls, and what it calls where there is nothing to be called."""
    if rules is None:
        return None
    named = {
        rule: {
            "called": share(rules.units[rule]),
            "null": share(rules.null_units[rule]),
            "steady": steady,
            "drifting": drifting,
        }
        for rule, (steady, drifting) in FALSE_POSITIVES.items()
        if rule in rules.units
    }
    return {
        "rules": named,
        "null_units": len(rules.null_units),
        "drift": rules.drift,
        "absent": dict(rules.absent),
    }


def _along(of: Along) -> dict[str, Any]:
    return {"units": of.units, "slope": of.slope, "bins": of.bins.to_dict("records")}


def _profiles(
    profiles: Mapping[str, pd.DataFrame], places: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """Of every item for every unit: rates as it was seen and imagined, Hz; places on both axes."""
    if not profiles:
        return {}
    first = next(iter(profiles.values()))
    known = {
        "rates_hz": profiles,
        "places": {name: of.reindex(first.index)[first.columns] for name, of in places.items()},
    }
    return {
        "items": list(map(str, first.index)),
        "units": list(map(str, first.columns)),
    } | {
        what: {name: _rounded(of) for name, of in tables.items()} for what, tables in known.items()
    }


def _rounded(table: pd.DataFrame) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in row] for row in table.to_numpy(dtype=float)]


def profile_tables(
    profiles: Mapping[str, Any],
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Rates by `viewing`, `encoding` and `imagery`, and places by axis, from the numbers.

    Returns
    -------
    Tables, (n_items, n_units) each; none where the session has none
    """
    if not profiles:
        return {}, {}
    index, columns = pd.Index(profiles["items"], name="item"), profiles["units"]
    rates, places = (
        {name: pd.DataFrame(of, index, columns, dtype=float) for name, of in profiles[what].items()}
        for what in ("rates_hz", "places")
    )
    return rates, places


def _similar(code: ImaginedCode) -> dict[str, Any] | None:
    try:
        found = population([code])
    except AnalysisError:
        return None
    return {**found, "units": int(found["units"])}


def _gap(units: IntensityGap | None, found: PopulationGap | None) -> dict[str, Any] | None:
    if units is None or found is None:
        return None
    names = ("gain", "low", "high", "gap", "gap_low", "gap_high", "offset_hz", "offset_low",
             "offset_high", "slope", "reliability", "p", "units", "drawn", "holds_for")  # fmt: skip
    return {
        **{name: getattr(found, name) for name in names},
        "source": units.source,
        "smallest_p": units.smallest_p,
        "untested": int((units.units["untested"] != "").sum()),
    }


def _decoded(found: ImaginedDecoding) -> dict[str, Any]:
    return {
        "units": found.units,
        "silent": len(found.silent),
        "skipped": {str(block): str(why) for block, why in found.skipped.items()},
        "block": _reading(found.block),
        "session": _reading(found.session),
    }


def _reading(found: Reading) -> dict[str, Any]:
    names = ("accuracy", "accuracy_low", "accuracy_high", "evidence", "p", "p_accuracy", "chance",
             "chance_low", "chance_high", "smallest_p", "exact")  # fmt: skip
    return {"trials": len(found.trials), **{name: getattr(found, name) for name in names}}


def _course(found: PopulationCourse) -> dict[str, Any]:
    names = ("units", "detected", "onset_s", "onset_low_s", "onset_high_s", "said")
    return {
        **{name: getattr(found, name) for name in names},
        "windows": found.windows.to_dict("records"),
    }


def _decoding_course(found: DecodingCourse) -> dict[str, Any]:
    return {
        "source": found.source,
        "band": found.band,
        "exact": found.exact,
        "windows": found.windows.reset_index().to_dict("records"),
    }


def _vivid(found: Vividness) -> dict[str, Any]:
    names = ("mean_r", "p", "detectable_mean_r", "answered", "missing", "blocks", "smallest_p")
    return {**{name: getattr(found, name) for name in names}, "units": len(found.units)}


def _mixed(found: MixedVividness) -> dict[str, Any]:
    names = ("slope", "low", "high", "p", "slope_sd", "detectable", "trials", "units", "fitted",
             "said")  # fmt: skip
    return {name: getattr(found, name) for name in names}


def _clusters(found: Clusters | None) -> dict[str, Any] | None:
    if found is None:
        return None
    columns = ["start", "stop", "t_sum", "p"]
    return {
        "found": found.table[columns].to_dict("records"),
        "threshold": found.threshold,
        "smallest_p": found.smallest_p,
        "blocks": found.n_cells,
    }


# Tables ------------------------------------------------------------------------------------------


def asked_tables(session: str, numbers: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """The same as tidy tables, from the numbers of one session.

    Returns
    -------
    `imagery_tests`, `imagery_rules`, `imagery_items` (unit by item), `imagery_courses` (window by
    window), `imagery_decoding`; those for which there is nothing are left out
    """
    made = {
        "imagery_tests": pd.DataFrame(numbers["tests"]),
        "imagery_rules": _rules_table(numbers["published"]),
        "imagery_items": _items_table(numbers["profiles"]),
        "imagery_courses": _courses_table(numbers),
        "imagery_decoding": _decoding_table(numbers["decoding"]),
    }
    for table in made.values():
        table.insert(0, "session", session)
    return {name: table for name, table in made.items() if len(table)}


def _rules_table(published: Mapping[str, Any] | None) -> pd.DataFrame:
    rules = published["rules"] if published else {}
    rows = [
        {
            "rule": rule,
            **{f"called_{name}": value for name, value in of["called"].items()},
            **{f"null_{name}": value for name, value in of["null"].items()},
            "validation_steady": of["steady"],
            "validation_drifting": of["drifting"],
        }
        for rule, of in rules.items()
    ]
    return pd.DataFrame(rows)


def _items_table(profiles: Mapping[str, Any]) -> pd.DataFrame:
    if not profiles:
        return pd.DataFrame()
    rates, places = profile_tables(profiles)
    columns = {f"{name}_hz": of for name, of in rates.items()} | places
    table = pd.DataFrame({name: of.T.stack(future_stack=True) for name, of in columns.items()})
    return table.rename_axis(["unit", "item"]).reset_index()


def _courses_table(numbers: Mapping[str, Any]) -> pd.DataFrame:
    tuning = [
        {"of": f"{axis} axis", "start_s": w["start_s"], "end_s": w["end_s"], "value": w["mean_r"],
         "band": w["band"], "p": w["p"], "p_family": w["p_family"]}
        for axis, course in numbers["courses"].items()
        for w in course["windows"]
    ]  # fmt: skip
    read = [
        {"of": f"decoder trained on {name}", "start_s": w["start_s"], "end_s": w["end_s"],
         "value": w["accuracy"], "band": course["band"], "p": w["p"],
         "p_family": w["p_familywise"], "chance": w["chance"]}
        for name, course in numbers["decoding_courses"].items()
        for w in course["windows"]
    ]  # fmt: skip
    return pd.DataFrame([*tuning, *read])


def _decoding_table(decoding: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        {"trained_on": name, "units": of["units"], "question": question, **of[question]}
        for name, of in decoding.items()
        for question in ("block", "session")
    ]
    return pd.DataFrame(rows)

"""The answers of a session of imagery as JSON values."""

from typing import Any

from analysis.imagery import ImaginedCode, population
from analysis.imagined.asked import Asked
from analysis.imagined.decoding import ImaginedDecoding, Reading
from analysis.imagined.decoding_course import DecodingCourse
from analysis.imagined.gap import IntensityGap
from analysis.imagined.gap_population import PopulationGap
from analysis.imagined.sliding import PopulationCourse
from analysis.imagined.vividness import Vividness
from task.contract.errors import AnalysisError


def asked_numbers(asked: Asked) -> dict[str, Any]:
    """Numbers of every question that was asked, and why others were not."""
    kinds, decoding = asked.taking_part, asked.decoding
    return {
        "kinds": None
        if kinds is None
        else {"counts": {str(k): int(n) for k, n in kinds.counts.items()}, "said": kinds.said},
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
        "courses": {name: _course(found) for name, found in asked.courses.items()},
        "vividness_against": {name: _vivid(found) for name, found in asked.vividness.items()},
        "not_asked": list(asked.absent),
    }


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

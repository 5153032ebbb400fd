"""What numpy makes of numbers: edges, counts, mean and spread of each case, for numpy_test.ts to compare with.

    numpy_histograms.py CASES VALUES > answers

CASES is JSON: a list of {"first", "last", "bins", "values": how many of the numbers in VALUES are its own}; VALUES holds them one
after the other as little-endian doubles. numpy rounds mean and spread on the way; so the mean is also taken from the exact sum, and the
spread from numbers with more digits.
"""

import json
import math
import sys

import numpy


def answer(case, values):
    edges = numpy.linspace(case["first"], case["last"], case["bins"] + 1)
    counts, _ = numpy.histogram(values, bins=edges)
    ranged, ranged_edges = numpy.histogram(values, bins=case["bins"], range=(case["first"], case["last"]))
    one_by_one = numpy.zeros(case["bins"])
    for value in values[:500]:
        one_by_one += numpy.histogram(value, bins=edges)[0]
    with numpy.errstate(all="ignore"):
        mean, std = float(numpy.mean(values)), float(numpy.std(values))
        exact_std = float(numpy.std(values, dtype=numpy.longdouble))
    try:
        exact_mean = math.fsum(values) / len(values)
    except OverflowError:
        exact_mean = None
    return {
        "edges": edges.tolist(),
        "ranged_edges": ranged_edges.tolist(),
        "hist": counts.tolist(),
        "ranged": ranged.tolist(),
        "one_by_one": one_by_one.tolist(),
        "mean": mean if math.isfinite(mean) else None,
        "exact_mean": exact_mean,
        "std": std if math.isfinite(std) else None,
        "exact_std": exact_std if math.isfinite(exact_std) else None,
        "min": float(numpy.min(values)),
        "max": float(numpy.max(values)),
    }


def main(cases_file, values_file):
    with open(cases_file, encoding="utf-8") as file:
        cases = json.load(file)
    numbers = numpy.fromfile(values_file, dtype="<f8")
    answers, at = [], 0
    for case in cases:
        answers.append(answer(case, numbers[at:at + case["values"]]))
        at += case["values"]
    json.dump({"version": numpy.__version__, "answers": answers}, sys.stdout)


main(*sys.argv[1:])

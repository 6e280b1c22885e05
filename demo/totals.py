#!/usr/bin/env python3
"""What strike triage must come to, computed from the file alone and in another way: `python3 demo/totals.py [FILE]`."""

import csv
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).with_name("birdstrikes.csv")


def grade(row, cost):
    score = {"Medium": 2, "Large": 3}.get(row["Wildlife Size"], 1)
    if row["Effect Amount of damage"] != "None":
        score += 2
    if cost > 10_000:
        score += 2
    if score < 3:
        return "low"
    return "medium" if score < 5 else "high"


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else FILE
    totals = {"strikes": 0, "cost": 0, "expensive": 0, "grades": {}, "years": {}}
    by = {"operator": {}, "state": {}, "phase": {}}
    columns = {"operator": "Aircraft Airline Operator", "state": "Origin State", "phase": "Phase of flight"}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            cost = int(row["Cost Total $"] or 0)
            totals["strikes"] += 1
            totals["cost"] += cost
            totals["expensive"] += cost > 100_000
            for kind, key in (("grades", grade(row, cost)), ("years", row["Flight Date"].split("-")[0])):
                totals[kind][key] = totals[kind].get(key, 0) + 1
            for name, column in columns.items():
                key = row[column] or "unknown"
                by[name][key] = by[name].get(key, 0) + cost
    json.dump({**totals, "by": by}, sys.stdout, sort_keys=True, indent=1)


main()

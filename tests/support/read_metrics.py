"""Reads what querymark has written, by other people's parsers, and says it again in a form of its own.

    read_metrics.py prometheus FILE     one line a sample: name, labels as JSON, value
    read_metrics.py json FILE           the document, keys sorted
"""

import json
import sys

form, path = sys.argv[1:]
with open(path, encoding="utf-8", newline="\n") as file:  # throws for what is no UTF-8
    text = file.read()
if form == "json":
    print(json.dumps(json.loads(text), sort_keys=True))
else:
    from prometheus_client.parser import text_string_to_metric_families

    families = set()
    for family in text_string_to_metric_families(text):
        if family.type == "unknown" or family.name in families or not family.documentation:
            sys.exit(f"{family.name}: no type, no help, or twice")
        families.add(family.name)
        series = set()
        for sample in family.samples:
            labels = json.dumps(sample.labels, sort_keys=True)
            if (sample.name, labels) in series:
                sys.exit(f"{sample.name}{labels}: twice")
            series.add((sample.name, labels))
            print(sample.name, labels, sample.value)

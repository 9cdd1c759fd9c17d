"""Asks moto's EventBridge which events match which patterns.

Reads one JSON object a line, {"pattern": text, "events": [event, ...]}, and writes one list of booleans
a line.
"""

import json
import sys

from moto.events.models import EventPattern

for line in sys.stdin:
    case = json.loads(line)
    pattern = EventPattern.load(case["pattern"])
    print(json.dumps([pattern.matches_event(event) for event in case["events"]]))

"""Reads literals with the real ast.literal_eval.

Reads a list of texts from standard input and writes, for each text, {"value": …}, or null where it is no literal or JSON has no
such value.
"""

import ast
import json
import sys
import warnings

warnings.simplefilter("ignore")


def check(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(key)
            check(key)
            check(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check(item)
    elif isinstance(value, str):
        value.encode("utf-8")


def read(text):
    try:
        value = ast.literal_eval(text)
        check(value)
        json.dumps(value, allow_nan=False)
    except Exception:
        return None
    return {"value": value}


json.dump({text: read(text) for text in json.load(sys.stdin)}, sys.stdout, indent=1)

"""Evaluates configuration files with the real oslo.config.

Reads {"options": [...], "cases": [...]} from standard input and writes, for
each case by name, either "error" (the files as a whole were refused) or the
value of each option by "group.name", {"error": true} for one that was refused.
"""

import json
import os
import sys

from oslo_config import cfg
from oslo_config import types


def declare(option):
    name = option["name"]
    kwargs = {"deprecated_opts": [cfg.DeprecatedOpt(d["name"], group=d["group"])
                                  for d in option["deprecated"]]}
    if option["default"] is not None:
        kwargs["default"] = option["default"]
    bounds = {"min": option["min"], "max": option["max"]}
    kind = option["kind"]
    if kind == "string":
        return cfg.StrOpt(name, choices=option["choices"], **kwargs)
    if kind == "int":
        return cfg.IntOpt(name, **bounds, **kwargs)
    if kind == "float":
        return cfg.FloatOpt(name, **bounds, **kwargs)
    if kind == "bool":
        return cfg.BoolOpt(name, **kwargs)
    if kind == "list":
        return cfg.ListOpt(name, item_type=types.String(quotes=option["quotes"]), **kwargs)
    if kind == "multi":
        return cfg.MultiStrOpt(name, **kwargs)
    raise ValueError(kind)


def group(option):
    return None if option["group"] == "DEFAULT" else option["group"]


def evaluate(options, case):
    for name in [n for n in os.environ if n.startswith("OS_")]:
        del os.environ[name]
    os.environ.update(case["environ"])
    conf = cfg.ConfigOpts()
    for option in options:
        conf.register_opt(declare(option), group=group(option))
    try:
        conf(case["args"], project="jeroboam", default_config_files=[], default_config_dirs=[])
    except Exception:
        return "error"
    values = {}
    for option in options:
        name = option["group"] + "." + option["name"]
        try:
            section = conf if group(option) is None else conf[group(option)]
            values[name] = section[option["name"]]
        except Exception:
            values[name] = {"error": True}
    return values


def main():
    work = json.load(sys.stdin)
    json.dump({c["name"]: evaluate(work["options"], c) for c in work["cases"]}, sys.stdout)


main()

"""Asks the real oslo.policy.

Reads {"rules": [...], "creds": [...], "targets": [...], "cases": [...]} from standard input and writes, for each case by name, the
answers to each rule by name: one character for each pair of creds and target, in this order; 1 is yes, 0 is no, x means that
oslo.policy raised an exception.
"""

import json
import logging
import os
import sys
import tempfile
import warnings

from oslo_config import cfg
from oslo_policy import opts
from oslo_policy import policy

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
sys.setrecursionlimit(300)


def register(enforcer, rule):
    old = None
    if rule["deprecated"]:
        old = policy.DeprecatedRule(rule["deprecated_name"], rule["deprecated"], deprecated_reason="r", deprecated_since="s")
    enforcer.register_default(policy.RuleDefault(
        rule["name"], rule["check"], scope_types=rule["scope"] or None, deprecated_rule=old))


def none(facts):
    return {k: None if v == "" else v for k, v in facts.items()}


def ask(enforcer, rule, target, creds):
    try:
        return "1" if enforcer.enforce(rule, none(target), none(creds)) else "0"
    except Exception:
        return "x"


def answers(doc, case):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in case["files"].items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(content)
        conf = cfg.ConfigOpts()
        conf(["--config-dir", folder], default_config_files=[])
        opts._register(conf)
        conf.set_override("enforce_scope", case["enforce_scope"], group="oslo_policy")
        conf.set_override("enforce_new_defaults", case["enforce_new_defaults"], group="oslo_policy")
        conf.set_override("policy_file", os.path.join(folder, "policy.yaml"), group="oslo_policy")
        conf.set_override("policy_dirs", [os.path.join(folder, "policy.d")], group="oslo_policy")
        enforcer = policy.Enforcer(conf)
        for rule in doc["rules"]:
            register(enforcer, rule)
        return {rule: "".join(ask(enforcer, rule, t, c) for c in doc["creds"] for t in doc["targets"]) for rule in case["ask"]}


document = json.load(sys.stdin)
json.dump({case["name"]: answers(document, case) for case in document["cases"]}, sys.stdout)

"""Prints, as JSON, every command of the client's entry point group with the options that its own parser has: not those
which all commands of its kind have."""
import importlib.metadata
import json


def options(command):
    parser = command(None, None).get_parser('')
    return {option for action in parser._actions for option in action.option_strings}


def kind(command):
    """The bare command that this one is built on: one that shows, one that lists, or one that does something."""
    base = next(c for c in command.__mro__ if c.__module__ == 'osc_lib.command.command')
    return type('Bare', (base,), {'__module__': __name__, 'take_action': None})


commands = {}
for entry in importlib.metadata.entry_points(group='openstack.container_infra.v1'):
    command = entry.load()
    commands[entry.name.replace('_', ' ')] = sorted(options(command) - options(kind(command)))
print(json.dumps(commands))

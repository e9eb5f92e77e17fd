#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""validate_json.py [--schema FILE] FILE...: holds verdicts against docs/verdict.schema.json.

'-' is standard input. Prints one line per violation, with the place in the document. Exit status 0
all valid, 1 some are not (a file that is no JSON is not valid), 2 the check itself could not run.
Before it judges a file it makes sure that it would notice: the same document with a key taken out,
and with a key too many, anywhere, must be refused.
"""
import argparse
import copy
import json
import os
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("validate_json.py: python3-jsonschema is not installed", file=sys.stderr)
    sys.exit(2)

DEFAULT_SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "..", "..", "docs", "verdict.schema.json")


def objects(value, path=()):
    """The path of one object of each kind: of lists of alike ones the first only."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            yield from objects(item, path + (key,))
    elif isinstance(value, list) and value:
        yield from objects(value[0], path + (0,))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def accepted_mutants(validator, document):
    """What of the document could be broken without the schema noticing."""
    for path in objects(document):
        for key in list(at(document, path)):
            mutant = copy.deepcopy(document)
            del at(mutant, path)[key]
            if validator.is_valid(mutant):
                yield "/".join(map(str, path + (key,))) + " taken out"
        mutant = copy.deepcopy(document)
        at(mutant, path)["surplus"] = None
        if validator.is_valid(mutant):
            yield "/".join(map(str, path + ("surplus",))) + " added"


def trimmed(document):
    """Small enough to be broken in every way: the first elements of each list."""
    if isinstance(document, dict):
        return {key: trimmed(item) for key, item in document.items()}
    if isinstance(document, list):
        return [trimmed(item) for item in document[:3]]
    return document


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schema", default=DEFAULT_SCHEMA)
    parser.add_argument("files", nargs="+", metavar="FILE")
    args = parser.parse_args()
    with open(args.schema, encoding="utf-8") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    bad = 0
    for name in args.files:
        try:
            with (sys.stdin if name == "-" else open(name, encoding="utf-8")) as file:
                document = json.load(file)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}")
            bad += 1
            continue
        errors = sorted(validator.iter_errors(document), key=lambda e: list(map(str, e.path)))
        for error in errors[:20]:
            print(f"{name}: /{'/'.join(map(str, error.path))}: {error.message[:300]}")
        if errors:
            bad += 1
            continue
        blind = list(accepted_mutants(validator, trimmed(document)))
        if blind:
            print(f"validate_json.py: the schema is blind: {'; '.join(blind[:5])}",
                  file=sys.stderr)
            return 2
    print(f"{len(args.files) - bad} of {len(args.files)} valid")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

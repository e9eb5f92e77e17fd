# SPDX-License-Identifier: GPL-2.0-or-later
"""scenarios.tsv and the truth that the lab's module tells.

A `-` in the table is an empty field. Alternatives in a field are parted by `|`.
"""

import csv
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent


class Scenario:
    def __init__(self, row):
        self.row = {k: ("" if v in (None, "-") else v) for k, v in row.items()}
        self.id = int(self.row["id"])
        self.name = self.row["name"]
        self.cpus = int(self.row["cpus"])
        self.mem = int(self.row["mem"])
        self.cmdline = self.row.get("cmdline", "")
        self.sysctls = ",".join(self.row["sysctls"].split())
        # "sysrq-c:5" says when; the number is seconds after the module was started.
        self.trigger, _, wait = self.row["trigger"].partition(":")
        self.wait_s = float(wait or self.row.get("wait_s") or 6)
        self.deadline_s = float(self.row.get("deadline_s") or 120)
        self.event = self.row["event"]
        # Run only when asked for by number.
        self.extra = self.row.get("notes", "").split(" ")[0] == "extra"

    def alternatives(self, column):
        return [x for x in self.row.get(column, "").split("|") if x]

    def splats(self):
        """Complaints of the kernel that the scenario provokes beside its event."""
        return [v.replace("_", " ") for k, v in self.notes().items() if k == "splat"]

    def notes(self):
        """key=value words of the notes column."""
        words = re.split(r"[\s;]+", self.row.get("notes", ""))
        return dict(w.split("=", 1) for w in words if "=" in w)


def load():
    with open(HERE / "scenarios.tsv", newline="") as f:
        lines = [x for x in f if x.strip() and not x.startswith("#")]
    found = {}
    for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        s = Scenario(row)
        found[s.id] = s
    return found


def read_truth(path):
    """The HOLDUP-TRUTH lines as dictionaries; a cut last line is left out."""
    found = []
    for line in path.read_text(errors="replace").split("\n")[:-1]:
        m = re.search(r"HOLDUP-TRUTH (.*)", line)
        if m:
            # comm may hold blanks: a value ends where the next key begins.
            found.append(dict(re.findall(r"(\w+)=(.*?)(?= \w+=|\s*$)", m.group(1))))
    return found

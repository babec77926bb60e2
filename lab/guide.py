#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""guide.py FOLDER: whether the driver guide explains all that the driver of this folder shows and prints.

Messages are those of the log and of ethtool; in the guide a line of its own each, with '...' for what is filled in.
"""

import re
import sys
from pathlib import Path

SECTION = "Messages\n========\n"
# What prints, and its first string.
MESSAGE = re.compile(r'\b(?:(?:dev|netdev|pr)_(?:emerg|alert|crit|err|warn|notice|info)(?:_once|_ratelimited)?!\s*\('
                     r'|\.set\(\s*fmt!\()[^"]*"((?:[^"\\]|\\.)*)"', re.S)
COMMENT = re.compile(r"^\s*//.*$", re.M)


def source(path):
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


def messages(path):
    for text in MESSAGE.findall(source(path)):
        # A string may go on in the next line.
        text = re.sub(r"\\\n\s*|\\n", "", text).replace('\\"', '"')
        yield re.sub(r"\{[^}]*\}", "...", text)


def counters(folder):
    """What ethtool -S shows; of what the MAC counts, that is the latter part."""
    yield from re.findall(r'= c"(\w+)"', source(folder / "stats.rs"))
    yield from re.findall(r'^    c"(\w+)",$', source(folder / "ethtool.rs"), re.M)
    yield from re.findall(r'c"(safety_\w+)"', source(folder / "dwmac4/safety.rs"))
    mac = source(folder / "mmc.rs")
    first = re.search(r"OTHERS: usize = mac::(\w+);", mac)[1]
    yield from re.findall(r'= c"(mac_\w+)"', mac[re.search(rf"\b{first} = ", mac).start():])


def main(folder):
    guide = (folder / "Documentation/rust_stmmac.rst").read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", guide))
    wrong = [f"not in the guide: counter {name}" for name in counters(folder) if name not in words]

    # Terms at the margin: ``this``, ``and this``
    lines = [line for line in guide.partition(SECTION)[2].splitlines() if line.startswith("``")]
    explained = {term for line in lines for term in re.findall(r"``(.*?)``", line)}
    printed = {text: path for path in sorted(folder.rglob("*.rs"))
               if path.relative_to(folder).parts[0] not in ("model", "tests") for text in messages(path)}
    wrong += [f"not in the guide: message '{text}' of {path.relative_to(folder)}"
              for text, path in printed.items() if text not in explained]
    wrong += [f"only in the guide: message '{text}'" for text in sorted(explained - printed.keys())]
    print("\n".join([*wrong, f"guide: {len(printed)} messages, {len(set(counters(folder)))} counters"]))
    if len(printed) < 30 or wrong:
        sys.exit(f"{len(wrong)} differences between the driver and Documentation/rust_stmmac.rst")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Compile locale/**/*.po; with --check, only fail when a .mo file differs or a translation is missing or fuzzy."""

import sys
from pathlib import Path

import polib


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    wrong = 0
    for source in sorted(Path("locale").rglob("*.po")):
        catalog = polib.pofile(str(source))
        compiled = source.with_suffix(".mo")
        if not check:
            compiled.write_bytes(catalog.to_binary())
            continue
        for entry in (*catalog.untranslated_entries(), *catalog.fuzzy_entries()):
            print(f"{source}: no translation of {entry.msgid!r}")
            wrong += 1
        if not compiled.exists() or compiled.read_bytes() != catalog.to_binary():
            print(f"{compiled} does not match {source.name}: run `make messages`")
            wrong += 1
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())

"""Bring in the browser files of other projects from npm, as they were published; with --check, only verify them.

`static/vendor/` is what pages load, `e2e/vendor/` what browser tests load. `vendor.lock.json` beside the files
names the package and the SHA-256 of each. The icon sprite holds the icons that templates and menus name.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Package:
    """One npm package and where its files go: {path in the package: path below the repository}."""

    name: str
    version: str
    licence: str
    files: dict[str, str]

    @property
    def spec(self) -> str:
        return f"{self.name}@{self.version}"


PACKAGES = [
    Package(
        "htmx.org",
        "4.0.1",
        "0BSD",
        {
            "dist/htmx.min.js": "static/vendor/htmx.min.js",
            "LICENSE": "static/vendor/licenses/htmx.txt",
        },
    ),
    Package(
        "@tabler/core",
        "1.6.1",
        "MIT",
        {"dist/css/tabler.min.css": "static/vendor/tabler.min.css"},
    ),
    Package(
        "@fontsource-variable/inter",
        "5.3.0",
        "OFL-1.1",
        {
            "files/inter-latin-wght-normal.woff2": "static/vendor/inter-latin.woff2",
            "files/inter-latin-ext-wght-normal.woff2": "static/vendor/inter-latin-ext.woff2",
            "LICENSE": "static/vendor/licenses/inter.txt",
        },
    ),
    Package(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        {"axe.min.js": "e2e/vendor/axe.min.js", "LICENSE": "e2e/vendor/licenses/axe.txt"},
    ),
]
ICONS = Package(
    "@tabler/icons", "3.51.0", "MIT", {"LICENSE": "static/vendor/licenses/tabler-icons.txt"}
)
SPRITE = "static/vendor/icons.svg"
LOCKS = ["static/vendor/vendor.lock.json", "e2e/vendor/vendor.lock.json"]

#: A source map that is not shipped makes collectstatic fail.
SOURCE_MAP = re.compile(rb"(?m)^\s*(//# sourceMappingURL=.*|/\*# sourceMappingURL=.*\*/)\s*$")
ICON_IN_TEMPLATE = re.compile(r'{% icon "([a-z0-9-]+)"')
ICON_IN_CODE = re.compile(r'\bicon="([a-z0-9-]+)"')


def icons_used() -> list[str]:
    """Every icon that a template or a Python module names."""
    found: set[str] = set()
    for template in (ROOT / "templates").rglob("*.html"):
        found.update(ICON_IN_TEMPLATE.findall(template.read_text()))
    for app in ("accounts", "catalog", "customers", "erp_site", "orders"):
        for module in (ROOT / app).rglob("*.py"):
            found.update(ICON_IN_CODE.findall(module.read_text()))
    return sorted(found)


def icons_shipped() -> list[str]:
    return sorted(re.findall(r'<symbol id="([a-z0-9-]+)"', (ROOT / SPRITE).read_text()))


def download(package: Package, folder: Path) -> tarfile.TarFile:
    """The published tarball, its bytes checked against the registry's own hash."""
    view = ["npm", "view", package.spec, "dist.integrity", "--json"]
    integrity = json.loads(subprocess.check_output(view, stderr=subprocess.DEVNULL))
    pack = ["npm", "pack", "--silent", "--pack-destination", str(folder), package.spec]
    name = subprocess.check_output(pack, text=True, stderr=subprocess.DEVNULL).split()[-1]
    digest = hashlib.sha512((folder / name).read_bytes()).digest()
    if f"sha512-{b64encode(digest).decode()}" != integrity:
        sys.exit(f"{package.spec}: the download is not what the registry lists")
    return tarfile.open(folder / name)


def read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    if member is None:
        sys.exit(f"the package has no {path}")
    data = member.read()
    return SOURCE_MAP.sub(b"", data) if path.endswith((".js", ".css")) else data


def sprite(archive: tarfile.TarFile, names: list[str]) -> bytes:
    symbols = []
    for name in names:
        drawing = read(archive, f"icons/outline/{name}.svg").decode()
        inside = re.sub(r"(?s)^.*?<svg[^>]*>|</svg>.*$", "", drawing)
        inside = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>', "", inside)
        inside = re.sub(r"\s+", " ", inside).strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inside}</symbol>')
    return "\n".join(['<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""]).encode()


def update() -> int:
    locks: dict[str, dict[str, dict[str, str]]] = {lock: {} for lock in LOCKS}

    def write(package: Package, target: str, data: bytes) -> None:
        file = ROOT / target
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        lock = next(lock for lock in LOCKS if target.startswith(lock.rpartition("/")[0]))
        locks[lock][target] = {
            "npm": package.spec,
            "licence": package.licence,
            "sha256": hashlib.sha256(data).hexdigest(),
        }

    with tempfile.TemporaryDirectory() as folder:
        for package in (*PACKAGES, ICONS):
            with download(package, Path(folder)) as archive:
                for source, target in package.files.items():
                    write(package, target, read(archive, source))
                if package is ICONS:
                    write(package, SPRITE, sprite(archive, icons_used()))
    for lock, entries in locks.items():
        (ROOT / lock).write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")
    return check()


def check() -> int:
    """0 if every file is the one that was vendored, none is unlisted, and the sprite has the icons in use."""
    wrong = []
    for lock in LOCKS:
        listed = json.loads((ROOT / lock).read_text())
        folder = (ROOT / lock).parent
        present = {
            str(file.relative_to(ROOT))
            for file in folder.rglob("*")
            if file.is_file() and file.name != "vendor.lock.json"
        }
        wrong += [f"{target} is not listed in {lock}" for target in sorted(present - set(listed))]
        for target, entry in listed.items():
            if target not in present:
                wrong.append(f"{target} is missing")
            elif hashlib.sha256((ROOT / target).read_bytes()).hexdigest() != entry["sha256"]:
                wrong.append(f"{target} is not the file that was vendored")
    for name in sorted(set(icons_used()) - set(icons_shipped())):
        wrong.append(f"the icon {name} is not in {SPRITE}: run `make vendor`")
    print("\n".join(wrong) or "vendored files: as published")
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else update())

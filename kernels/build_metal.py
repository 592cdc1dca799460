"""Put kernels/nv12_rgb.metal into videohw/kernels, and compile it where Apple's compiler is.

The source is shipped as it is, with its hash in metal.json: both are committed. A metallib is
made on a Mac with Xcode's tools only (here, or by setup.py for a wheel), is not committed, and is
used only beside the source that it was made of.

usage: python kernels/build_metal.py [DIRECTORY]
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "kernels" / "nv12_rgb.metal"
PRODUCTS = ROOT / "videohw" / "kernels"
# macOS 11, the oldest that wheels are for. Without fast math all devices give the same bits.
LANGUAGE = "macos-metal2.3"
OPTIONS = (f"-std={LANGUAGE}", "-mmacosx-version-min=11.0", "-fno-fast-math", "-O2")


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]) if arguments else PRODUCTS
    for name, data in products().items():
        (target / name).write_bytes(data)
        print(f"{len(data):9}  {name}")
    if not has_compiler():
        print("           no metallib: xcrun finds no Metal compiler here")
    elif not compiled(target):
        return 1
    return 0


def products() -> dict[str, bytes]:
    """What is committed, by file name."""
    source = SOURCE.read_bytes()
    manifest = {
        "source": {"file": "kernels/nv12_rgb.metal", "sha256": hashlib.sha256(source).hexdigest()},
        "language": LANGUAGE,
        "options": OPTIONS,
    }
    return {
        "nv12_rgb.metal": source,
        "metal.json": (json.dumps(manifest, indent=2) + "\n").encode(),
    }


def has_compiler() -> bool:
    """True where ``xcrun metal`` can be called."""
    if sys.platform != "darwin" or shutil.which("xcrun") is None:
        return False
    asked = ["xcrun", "-sdk", "macosx", "-find", "metal"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def compiled(target: Path) -> bool:
    """Write nv12_rgb.metallib and its facts; False, and what the compiler said, if it refuses."""
    library, facts = target / "nv12_rgb.metallib", target / "nv12_rgb.metallib.json"
    for old in (library, facts):
        old.unlink(missing_ok=True)
    command = ["xcrun", "-sdk", "macosx", "metal", *OPTIONS, str(SOURCE), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{done.stdout}{done.stderr}the metallib was not made", file=sys.stderr)
        library.unlink(missing_ok=True)
        return False
    hashes = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in (("source_sha256", SOURCE), ("sha256", library))
    }
    facts.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    print(f"{library.stat().st_size:9}  {library.name}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The same target under atheris: coverage of our Python code chooses what is changed further.

    python -m fuzz.decoder --engine atheris --seconds 600

Needs the package ``atheris`` (wheels for Linux). The inputs are changed by the mutations of this
package and by libFuzzer's own, in turn; what libav does inside stays unseen.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from .case import HEADER_BYTES, MAX_PAYLOAD_BYTES
from .engine import ROOT, Plan, environment


def run_guided(plan: Plan) -> int:
    """Exit code: 0 nothing found, 1 a finding, 2 atheris is not here. Runs in a child process."""
    if importlib.util.find_spec("atheris") is None:
        print("the package atheris is not installed; --engine own needs nothing", file=sys.stderr)
        return 2
    directory = plan.directory.resolve()
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "fuzz.guided_child", str(plan.seed), plan.target, str(corpus),
        f"-max_total_time={int(plan.seconds)}", f"-timeout={int(plan.timeout)}",
        f"-rss_limit_mb={plan.memory_mib}", f"-max_len={HEADER_BYTES + MAX_PAYLOAD_BYTES}",
        f"-seed={plan.seed + 1}", f"-artifact_prefix={directory}/", "-print_final_stats=1",
    ]  # fmt: skip
    code = subprocess.run(command, check=False, env=environment(), cwd=ROOT).returncode
    for path in sorted(directory.glob("crash-*")):
        if not path.suffix:
            path = path.rename(path.with_suffix(".bin"))
            print(f"  python -m fuzz.decoder --reproduce {path}")
    return 1 if code else 0

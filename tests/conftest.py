"""What every test runs under: hypothesis profiles, the count of skips, the check for leaks.

Environment: ``VIDEOHW_HYPOTHESIS`` (quick, few, deep), ``VIDEOHW_STRICT_SKIPS=1`` (a skip that
``.ci/skips.txt`` does not name fails the run), ``VIDEOHW_EXPECT_INSTALLED=1`` (videohw must come
from site-packages, not from a source tree), ``VIDEOHW_SHARE=N`` (of the variants of each test
function, on each backend, the first and every N-th after it, and few examples of hypothesis).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import sysconfig
import threading
import time
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import hypothesis
import pytest

SKIP_LIST = Path(__file__).parents[1] / ".ci" / "skips.txt"
THREAD_GRACE_SECONDS = 2.0

# Quick is the same examples in every run, so that a red run is always the change's fault, and few
# is less of them, for runs in which all is slow; deep looks for new ones.
hypothesis.settings.register_profile("quick", max_examples=60, derandomize=True, deadline=None)
hypothesis.settings.register_profile("few", max_examples=15, derandomize=True, deadline=None)
hypothesis.settings.register_profile(
    "deep", max_examples=3000, derandomize=False, deadline=None, print_blob=True
)
# Tests that name no backend are about what all have in common: a device here, or an emulated one
# of other tests in this process, must not change what they see.
os.environ["VIDEO_HW_BACKENDS"] = "software"
# A shell starts what is to run in the background with interrupts ignored, and every program that
# a test starts would ignore them, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
SHARE = int(os.environ.get("VIDEOHW_SHARE") or 1)
PROFILE = os.environ.get("VIDEOHW_HYPOTHESIS", "quick" if SHARE == 1 else "few")
hypothesis.settings.load_profile(PROFILE)
if PROFILE == "deep":
    os.environ.setdefault("PYTEST_TIMEOUT", "3600")


def enabled(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def pytest_report_header() -> str:
    import videohw

    origin = Path(videohw.__file__).resolve().parent
    if enabled("VIDEOHW_EXPECT_INSTALLED"):
        site = {Path(sysconfig.get_path(name)).resolve() for name in ("platlib", "purelib")}
        if origin.parent not in site:
            raise pytest.UsageError(f"videohw comes from {origin}, not from site-packages")
    return f"videohw {videohw.__version__} from {origin}; hypothesis profile {PROFILE}"


# Runs in which all is slow, or that ask only whether what was tested before works elsewhere.


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Function]) -> None:
    left_out = beyond_share(items, SHARE)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish() -> None:
    """The garbage collector leaves out what was collected for this run: ten thousand tests, which
    many a test would have it look through to find what a session left."""
    gc.collect()
    gc.freeze()


def beyond_share(items: list[pytest.Function], share: int) -> list[pytest.Function]:
    """What is not the first, nor every ``share``-th after it, of a test function's variants."""
    seen: Counter[tuple[str, str]] = Counter()
    left_out = []
    for item in items:
        variant = getattr(item, "callspec", None)
        backend = getattr(variant and variant.params.get("backend"), "id", "")
        function = (item.nodeid.partition("[")[0], backend)
        if seen[function] % share:
            left_out.append(item)
        seen[function] += 1
    return left_out


# Skips: counted with their reasons in every run, and in strict runs each must be on the list.


def skips_of(config: pytest.Config) -> list[tuple[str, str]]:
    """(node id, reason) of everything that was skipped or expected to fail in this run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    found: list[tuple[str, str]] = []
    if reporter is None:  # one of several processes, whose reports come together in another
        return found
    for report in reporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        # What hypothesis says of a skip below it, by its example, is no part of the reason.
        found.append((report.nodeid, str(reason).removeprefix("Skipped: ").partition("\n")[0]))
    for report in reporter.stats.get("xfailed", ()):
        found.append((report.nodeid, f"xfail: {report.wasxfail}"))
    return found


def allowed_skips() -> list[tuple[str, str]]:
    """The rules of ``.ci/skips.txt``: (pattern of node ids, pattern of reasons)."""
    rules = []
    for line in SKIP_LIST.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            nodes, _, reasons = line.partition(" | ")
            rules.append((nodes.strip(), reasons.strip()))
    return rules


def unlisted_skips(config: pytest.Config) -> list[tuple[str, str]]:
    rules = allowed_skips()
    return [
        (node, reason)
        for node, reason in skips_of(config)
        if not any(fnmatchcase(node, n) and fnmatchcase(reason, r) for n, r in rules)
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if enabled("VIDEOHW_STRICT_SKIPS") and unlisted_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    counts = Counter(reason for _, reason in skips_of(config))
    terminalreporter.section(f"{counts.total()} skipped or expected to fail")
    for reason, count in counts.most_common():
        terminalreporter.line(f"{count:5}  {reason}")
    if enabled("VIDEOHW_STRICT_SKIPS"):
        for node, reason in unlisted_skips(config):
            terminalreporter.line(f"NOT ALLOWED by .ci/skips.txt: {node} | {reason}", red=True)


# Leaks: a session or a thread that a test leaves behind fails that test.


def open_sessions() -> set[object]:
    module = sys.modules.get("videohw.sessions.open_sessions")
    if module is None:
        return set()
    return {session for session in list(module.open_sessions) if not session.closed}


@pytest.fixture(autouse=True)
def usual_scheduling() -> Iterator[None]:
    """A test that calls SVT-AV1 by PyAV alone, as root, makes its thread a real-time one: the
    rest of the run, and every process that it starts, would starve the machine."""
    yield
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Every session that a test opens is closed, and every thread ended, when it returns.

    What a wider fixture (class, module) holds open was there before the test and stays.
    """
    sessions_before = open_sessions()
    threads_before = set(threading.enumerate())
    yield
    leaked = open_sessions() - sessions_before
    for session in leaked:
        session.close()  # type: ignore[attr-defined]
    assert not leaked, f"{len(leaked)} session(s) left open"
    deadline = time.monotonic() + THREAD_GRACE_SECONDS
    while (alive := set(threading.enumerate()) - threads_before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive, f"threads left running: {sorted(thread.name for thread in alive)}"

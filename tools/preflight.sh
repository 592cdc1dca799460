#!/bin/sh
# Is everything here that a build needs from the system? Prints the one line that installs what
# is missing and fails, or prints nothing. Usage: preflight.sh [PYTHON]
set -u
python=${1:-python3}

packages=''
need() { packages="$packages $1"; }

# Debian names the packages of an interpreter that is not the default after it.
case ${python##*/} in
    python3.*) prefix=${python##*/} ;;
    *) prefix=python3 ;;
esac

if command -v "$python" >/dev/null 2>&1; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "videohw needs Python 3.10 or newer, $python is $("$python" -V 2>&1)." >&2
        echo "Name a newer one: make PYTHON=python3.12" >&2
        exit 1
    fi
    "$python" -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
' || need "$prefix-dev"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need "$prefix-venv"
    compiler=${CC:-$("$python" -c '
import sysconfig
print((sysconfig.get_config_var("CC") or "cc").split()[0])
')}
else
    need "$prefix-dev"
    need "$prefix-venv"
    compiler=${CC:-cc}
fi
# What CC holds may carry options; its first word is the program.
command -v "${compiler%% *}" >/dev/null 2>&1 || need g++
command -v make >/dev/null 2>&1 || need make

[ -z "$packages" ] && exit 0

sudo='sudo '
[ "$(id -u)" = 0 ] && sudo=''
if command -v apt-get >/dev/null 2>&1; then
    echo 'Something is missing that the build needs. This installs it:' >&2
    echo "    ${sudo}apt-get install -y$packages" >&2
else
    echo "Something is missing that the build needs; Debian's names for it:$packages" >&2
fi
exit 1

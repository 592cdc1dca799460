#!/usr/bin/env bash
# The README's two commands, as someone new meets them: from a clone, in a new environment.
#   fresh.sh env      in a temporary directory, with PATH and HOME for all environment
#   fresh.sh chroot   in a Debian made by debootstrap (needs root), which has nothing at all: its
#                     own first `make` must name the packages, and they are installed as it says
set -euo pipefail
mode=${1:-env}
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/videohw-fresh.XXXXXX")

say() { printf '\n==> %s\n' "$*"; }

clone() {
    git clone --quiet "$root" "$1"
    changed=$(git -C "$root" status --porcelain | wc -l)
    say "cloned $(git -C "$1" rev-parse --short HEAD)"
    if [ "$changed" -gt 0 ]; then
        echo "$changed file(s) of the working tree differ from it and are not tried here"
    fi
}

in_new_environment() {
    trap 'rm -rf "$scratch"' EXIT
    clone "$scratch/videohw"
    cd "$scratch/videohw"
    for verb in demo test; do
        say "make $verb"
        env -i PATH="$PATH" HOME="$HOME" make "$verb"
    done
}

leave_chroot() {
    umount "$scratch/debian/dev/pts" "$scratch/debian/proc" 2>/dev/null || true
    rm -rf --one-file-system "$scratch"
}

in_chroot() {
    local debian=$scratch/debian file line
    [ "$(id -u)" = 0 ] || { echo 'FRESH=chroot needs root, for debootstrap' >&2; exit 1; }
    command -v debootstrap >/dev/null || { echo 'apt-get install -y debootstrap' >&2; exit 1; }
    trap leave_chroot EXIT
    say 'debootstrap'
    debootstrap --variant=minbase --include=ca-certificates,make stable "$debian" >/dev/null
    # What a real machine has: processes to look up, and terminals of its own for the tests.
    mount -t proc proc "$debian/proc"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$debian/dev/pts"
    ln -sf pts/ptmx "$debian/dev/ptmx"
    # How this machine reaches its package indexes, if it has said so; nothing else of it.
    for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
        if [ -e "$file" ]; then cp -L "$file" "$debian$file"; fi
    done
    clone "$debian/videohw"
    inside() {
        chroot "$debian" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ \
            DEBIAN_FRONTEND=noninteractive sh -c "cd /videohw && $1"
    }
    say 'make, before anything is installed'
    inside 'make demo' 2>&1 | tee "$scratch/missing" || true
    line=$(sed -n 's/^ *\(apt-get install .*\)/\1/p' "$scratch/missing")
    [ -n "$line" ] || { echo 'make did not say what is missing' >&2; exit 1; }
    say "$line"
    inside "apt-get update -q && $line" >"$scratch/apt.log" 2>&1 || { tail "$scratch/apt.log"; exit 1; }
    for verb in demo test; do
        say "make $verb"
        inside "make $verb"
    done
}

case $mode in
    env) in_new_environment ;;
    chroot) in_chroot ;;
    *) echo "FRESH is env or chroot, not $mode" >&2; exit 2 ;;
esac
say 'fresh: both commands work'

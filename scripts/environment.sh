#!/bin/sh
# Makes DIRECTORY a Python environment that holds what the REQUIREMENTS files pin:
#
#     sh scripts/environment.sh DIRECTORY REQUIREMENTS...
#
# Does nothing when it already is one. Owns how a Python is found and how packages are installed (by uv where it is on
# the PATH, else by pip); refuses packages that are not pinned by a hash.
set -eu

directory=$1
shift

# Written last, so an environment whose making was interrupted has none. It holds all that the environment depends on:
# one that was moved (its scripts name their old place) or whose requirements have changed is made anew.
stamp=$directory/.complete

describe() {
    printf '%s\n' "$PWD" "$directory"
    cat "$@"
}

# Prints the path of a Python 3.12 or newer that has the module $1. pyenv's commands fail for a version that is not
# selected, so its versions are tried by their paths too. The base executable, because python3 may be the one of the
# very environment that is about to be replaced.
find_python() {
    for candidate in python3.12 python3 python3.13 python3.14 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
        "$candidate" -c "import sys, $1; sys.version_info >= (3, 12) or sys.exit(1); print(sys._base_executable)" \
            2>/dev/null && return
    done
    return 1
}

install_with_uv() {
    # A company's proxy signs with a certificate that the machine knows and uv, left alone, doesn't.
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
    uv venv --quiet --python "$python" "$directory"
    uv pip install --quiet --compile-bytecode --python "$directory/bin/python" --require-hashes "$@"
}

install_with_pip() {
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@"
}

if describe "$@" | cmp -s - "$stamp" 2>/dev/null && "$directory/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

if command -v uv >/dev/null 2>&1; then
    installer=uv
    python=$(find_python venv) || python=3.12 # uv fetches it
elif python=$(find_python ensurepip); then
    installer=pip
else
    echo "Duck needs uv, or Python 3.12 or newer with its venv module (Debian's python3-venv); neither was found." >&2
    exit 1
fi

echo "Making the environment $directory with $installer; this happens once."
rm -rf "$directory"
description=$(describe "$@")
for file in "$@"; do
    set -- "$@" -r "$file"
    shift
done
"install_with_$installer" "$@"
printf '%s\n' "$description" >"$stamp"

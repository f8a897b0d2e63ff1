#!/bin/sh
# Builds the page's files, pages/built, from pages/src and the npm packages that pages/package-lock.json pins. With the
# argument `check`, checks the types of pages/src instead.
#
# Where npm's packages can't be had, says so and takes away what an earlier source was built to: Duck runs without its page,
# and no package is built. `check` fails there, for it has checked nothing.
set -eu

cd "$(dirname "$0")/.."

modules=pages/node_modules
stamp=$modules/.complete # written last: an interrupted installation has none

prepare() {
    . scripts/node.sh
    # A company's proxy signs with a certificate that the machine knows and Node, left alone, doesn't.
    cmp -s pages/package-lock.json "$stamp" 2>/dev/null ||
        { (cd pages && NODE_USE_SYSTEM_CA=1 npm ci --loglevel=error) && cp pages/package-lock.json "$stamp"; }
}

if ! prepare; then
    if [ "${1:-}" = check ]; then
        echo "The page was not checked, for its npm packages could not be installed." >&2
        exit 1
    fi
    rm -rf pages/built
    echo "The page was not built, for its npm packages could not be installed; all else works." >&2
    exit 0
fi
if [ "${1:-}" = check ]; then
    PATH=$(dirname "$node"):$PATH "$modules/.bin/tsc" -p pages
else
    "$node" pages/build.mjs
fi

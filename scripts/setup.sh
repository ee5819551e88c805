#!/bin/sh
# Prepares .venv for one purpose: sh scripts/setup.sh runtime|dev|e2e (called by make).
# Plain sh, since it must still speak clearly where Python is missing or too old.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
PURPOSE=${1:?usage: setup.sh runtime|dev|e2e}
OLDEST=10 # minor versions of Python 3 that rasa-kustomer supports
NEWEST=13
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

usable='import sys; import venv; sys.exit(not (3, '$OLDEST') <= sys.version_info[:2] <= (3, '$NEWEST'))'

fail() {
    echo "rasa-kustomer: $*" >&2
    exit 1
}

# The interpreter to use: $PYTHON if given, else python3, else any supported version on PATH.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if "$PYTHON" -c "$usable" >/dev/null 2>&1; then echo "$PYTHON"; fi
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
        if "$candidate" -c "$usable" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

why_no_python() {
    name=${PYTHON:-python3}
    install="install Python 3.$OLDEST to 3.$NEWEST (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.$NEWEST)"
    if ! found=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
        fail "$name was not found or does not start: $install, then run make again."
    fi
    case $found in
        3.1[0-3]) fail "$name has no venv module: install it (Debian, Ubuntu: apt-get install python3-venv), then run make again." ;;
        *) fail "$name is Python $found, which is not supported: $install, then run make again." ;;
    esac
}

make_venv() {
    python=$(find_python)
    [ -n "$python" ] || why_no_python
    echo "Making the virtual environment $VENV with $("$python" --version) ..."
    rm -rf "$VENV"
    if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
        "$python" -m venv "$VENV"
    elif "$python" -c 'import pip' >/dev/null 2>&1; then # Debian's python3-pip comes without ensurepip
        "$python" -m venv --without-pip "$VENV"
        "$python" -m pip install -qq --target \
            "$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip
    else
        fail "$python has neither ensurepip nor pip: install one (Debian, Ubuntu: apt-get install python3-venv), then run make again."
    fi
}

install() {
    echo "Installing $1 ..."
    shift
    # -qq leaves the errors; compiling every module beforehand would double the time.
    "$VENV/bin/python" -m pip install -qq --no-deps --no-compile "$@"
}

if ! "$VENV/bin/python" -c "$usable; import pip" >/dev/null 2>&1; then
    make_venv
fi
case $PURPOSE in
    runtime)
        install "what the plugin needs (requirements/runtime.txt; half a minute)" --require-hashes \
            -r requirements/runtime.txt -r requirements/build.txt
        ;;
    dev) install "what the tests need (requirements/dev.txt; a minute)" --require-hashes -r requirements/dev.txt ;;
    e2e) install "what drives the browser (requirements/e2e.txt)" --require-hashes -r requirements/e2e.txt ;;
    *) fail "unknown purpose '$PURPOSE': runtime, dev or e2e" ;;
esac
if [ "$PURPOSE" != e2e ]; then
    install "rasa-kustomer itself, editable" --no-build-isolation --editable .
fi
touch "$VENV/.ready-$PURPOSE"
if [ "$PURPOSE" = dev ]; then
    touch "$VENV/.ready-runtime" # which the tests' requirements contain
fi

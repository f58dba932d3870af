# Sourced by the scripts beside it: goes to the repository, makes .venv there when it is missing, installs the package
# and its development group when pyproject.toml has changed, and leaves the interpreter's path in $python.
#
# Needs Python 3.11 or later and a package index. PYTHON=/path/to/python chooses the interpreter; a .venv of another
# version of Python is then made anew.
# shellcheck shell=bash

headline() {
    printf '\n=== %s ===\n' "$*"
}

is_usable_python() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# The oldest supported Python first: it refuses code that only newer ones accept.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        if is_usable_python "$PYTHON"; then
            printf '%s\n' "$PYTHON"
            return 0
        fi
        printf 'PYTHON=%s is not a Python 3.11 or later with the venv module.\n' "$PYTHON" >&2
        return 1
    fi
    for candidate in python3.11 python3.12 python3.13 python3.14 python3 python; do
        if is_usable_python "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    printf 'No Python 3.11 or later with the venv module is on the PATH: install one, or set PYTHON to it.\n' >&2
    return 1
}

find_venv_python() {
    local candidate
    for candidate in .venv/bin/python .venv/Scripts/python.exe; do
        if is_usable_python "$candidate"; then
            printf '%s\n' "$PWD/$candidate"
            return 0
        fi
    done
    return 1
}

# What an installation depends on: where the repository is (an editable install points there) and what it asks for.
installation_inputs() {
    printf '%s\n' "$PWD"
    cat pyproject.toml
}

minor_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_wanted_version() {
    [ -z "${PYTHON:-}" ] || [ "$(minor_version "$1")" = "$(minor_version "$PYTHON")" ]
}

prepare_environment() {
    local base stamp=.venv/tiles2zarr-installed
    cd "$(dirname "${BASH_SOURCE[0]}")/.." || return 1
    if ! python=$(find_venv_python) || ! is_wanted_version "$python"; then
        base=$(find_python) || return 1
        headline "Making .venv with $("$base" --version)"
        "$base" -m venv --clear .venv || return 1
        python=$(find_venv_python) || return 1
    fi
    if ! installation_inputs | cmp -s - "$stamp"; then
        headline "Installing tiles2zarr and its development tools"
        # --group is known from pip 25.1 on.
        "$python" -m pip install --quiet --upgrade 'pip>=25.1' || return 1
        "$python" -m pip install --quiet --editable . --group dev || return 1
        installation_inputs >"$stamp"
    fi
}

#!/usr/bin/env bash
# install.sh FOLDER: puts what judges pages and API from outside into FOLDER, each of one version, from the registries that npm and pip
# are set up with: axe-core (MPL-2.0, accessibility) and schemathesis (MIT, requests made from the API's description). Neither is shipped.
# Needs node, npm and python3 with venv.
set -euo pipefail
folder="${1:?name a folder}"
mkdir -p "$folder"
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent axe-core@4.14.1
python3 -m venv "$folder/py"
"$folder/py/bin/pip" install --quiet --disable-pip-version-check schemathesis==4.32.5

#!/usr/bin/env bash
# install.sh FOLDER: puts the MCP servers that `apparatus mcp` uses into FOLDER, each of one version, from the registries that npm and
# pip are set up with. Needs node, npm and python3 with pip.
set -euo pipefail
folder="${1:?name a folder}"
mkdir -p "$folder"
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --silent \
    @modelcontextprotocol/server-everything@2026.8.31 \
    @modelcontextprotocol/server-filesystem@2026.8.31
/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --target "$folder/py" mcp-server-time==2026.10.19

#!/usr/bin/env python3
"""Checks the chain of an exported run: a second reader of the format in evidence.md, independent of Surefoot.

    python3 verify.py run.ndjson [HEAD]

Exit code 0 if it holds, 6 with the first line that does not. It checks digests, hashes, order, header and blobs; that each event may
follow the ones before it, and that actions were allowed, `surefoot evidence verify` checks alone.
"""
import hashlib, json, sys


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()


def blobs_of(value):
    """References to blobs inside an event: maps of exactly a digest and a size."""
    if isinstance(value, dict):
        if set(value) == {"digest", "bytes"}:
            yield value["digest"], value["bytes"]
        for inner in value.values():
            yield from blobs_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from blobs_of(inner)


def check(lines, noted=None):
    """What is wrong, or nothing."""
    header = json.loads(lines[0])
    if header.get("surefoot") != "export" or header.get("format") != 1:
        return "line 1: this is no export of format 1"
    run, before, epoch, named = bytes.fromhex(header["run"].removeprefix("run_")), bytes(32), 0, set()
    count = header["head"]["seq"]
    if len(lines) < count + 1:
        return f"line {len(lines) + 1}: the header promises {count} entries"
    for number, line in enumerate(lines[1 : count + 1], 1):
        entry = json.loads(line)
        body = entry["body"].encode()
        if entry["seq"] != number or entry["epoch"] < epoch:
            return f"line {number + 1}: entry {number} belongs here"
        if sha(bytes.fromhex(entry["salt"]), body) != entry["digest"]:
            return f"line {number + 1}: the body does not fit its digest"
        place = b"".join(entry[key].to_bytes(8, "big", signed=key == "at_us") for key in ("seq", "epoch", "at_us"))
        if sha(b"surefoot/entry/v1\0", before, run, place, bytes.fromhex(entry["digest"])) != entry["hash"]:
            return f"line {number + 1}: the entry does not fit its hash"
        before, epoch = bytes.fromhex(entry["hash"]), entry["epoch"]
        named.update(blobs_of(json.loads(body)))
    if before.hex() != header["head"]["hash"] or noted not in (None, before.hex()):
        return f"line {count + 1}: the last hash is {before.hex()}"
    for number, line in enumerate(lines[count + 1 :], count + 2):
        blob = json.loads(line)
        held = bytes.fromhex(blob["hex"]) if "hex" in blob else blob["text"].encode()
        if sha(held) != blob["blob"] or len(held) != blob["bytes"] or (blob["blob"], len(held)) not in named:
            return f"line {number}: the blob does not fit"
        named.discard((blob["blob"], len(held)))
    return f"line {len(lines) + 1}: a blob is missing" if named else None


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        try:
            wrong = check(file.read().split("\n")[:-1], *sys.argv[2:3])
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            wrong = f"a line is not what stands there in an export: {error!r}"
    print(wrong or "ok")
    sys.exit(6 if wrong else 0)

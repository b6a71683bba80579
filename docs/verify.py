#!/usr/bin/env python3
"""Checks the chain of an exported run: a second reader of the format in evidence.md, independent of Surefoot.

    python3 verify.py run.ndjson [HEAD]

Exit code 0 if it holds, 6 with the first line that does not, 2 if it was called in another way, 4 if there is no such file. It checks
digests, hashes, order, header, blobs, seals and erasures; that each event may follow the ones before it, that actions were allowed, and
what anchors say, `surefoot evidence verify` checks alone.
"""
import hashlib, json, os, sys


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


def number(value, signed=False):
    return value.to_bytes(8, "big", signed=signed)


def node(left, right):
    return bytes.fromhex(sha(b"\1", left, right))


def root_by(leaf, place, leaves, path):
    """The root of a tree with so many leaves in which this one stands at that place (RFC 9162)."""
    if leaves == 1 and place == 0 and not path:
        return leaf
    if not 0 <= place < leaves or not path:
        raise ValueError("no way leads to the root")
    middle, beside = 1 << ((leaves - 1).bit_length() - 1), bytes.fromhex(path[-1])
    if place < middle:
        return node(root_by(leaf, place, middle, path[:-1]), beside)
    return node(beside, root_by(leaf, place - middle, leaves - middle, path[:-1]))


def seal_holds(run, hashes, last, seal):
    """Whether a seal is over an entry of this file and over itself."""
    if last and (seal["seal"] <= last["seal"] or seal["seq"] < last["seq"] or last["closed"]):
        return False
    if not 0 < seal["seq"] <= len(hashes) or (seal["closed"] and seal["seq"] != len(hashes)):
        return False
    leaf = sha(b"\0", run, number(seal["seq"]), hashes[seal["seq"] - 1], bytes([seal["closed"]]))
    root = root_by(bytes.fromhex(leaf), seal["place"], seal["leaves"], seal["path"])
    counts = number(seal["seal"]) + number(seal["at_us"], signed=True) + number(seal["upto"]) + number(seal["leaves"])
    over = sha(b"surefoot/seal/v1\0", bytes.fromhex(seal["prev"]), counts, root)
    return root.hex() == seal["root"] and over == seal["hash"]


def erasure_holds(run, line):
    """Whether the log of changes could say so: this run was erased, by somebody."""
    change, by, auth = json.loads(line["body"]), line["by"].encode(), line["auth"].encode()
    if change.get("change") != "erase" or bytes.fromhex(change["run"].removeprefix("run_")) != run:
        return False
    counts = number(line["erased"]) + number(line["at_us"], signed=True)
    texts = number(len(by)) + by + number(len(auth)) + auth + line["body"].encode()
    return sha(b"surefoot/governance/v1\0", bytes.fromhex(line["prev"]), counts, texts) == line["hash"]


def check(lines, noted=None):
    """What is wrong, or nothing."""
    header = json.loads(lines[0])
    if header.get("surefoot") != "export" or header.get("format") not in (1, 2):
        return "line 1: this is no export of format 1 or 2"
    run, before, epoch, named = bytes.fromhex(header["run"].removeprefix("run_")), bytes(32), 0, set()
    count, hashes, erased = header["head"]["seq"], [], 0
    if len(lines) < count + 1:
        return f"line {len(lines) + 1}: the header promises {count} entries"
    for seq, line in enumerate(lines[1 : count + 1], 1):
        entry = json.loads(line)
        if entry["seq"] != seq or entry["epoch"] < epoch:
            return f"line {seq + 1}: entry {seq} belongs here"
        if entry["body"] is None:
            erased += 1
            if int(entry["salt"], 16) or erased != seq:
                return f"line {seq + 1}: the body was taken away, and not by an erasure"
        elif sha(bytes.fromhex(entry["salt"]), entry["body"].encode()) != entry["digest"] or erased:
            return f"line {seq + 1}: the body does not fit its digest"
        place = b"".join(entry[key].to_bytes(8, "big", signed=key == "at_us") for key in ("seq", "epoch", "at_us"))
        if sha(b"surefoot/entry/v1\0", before, run, place, bytes.fromhex(entry["digest"])) != entry["hash"]:
            return f"line {seq + 1}: the entry does not fit its hash"
        before, epoch = bytes.fromhex(entry["hash"]), entry["epoch"]
        hashes.append(before)
        named.update(blobs_of(json.loads(entry["body"] or "null")))
    if before.hex() != header["head"]["hash"] or noted not in (None, before.hex()):
        return f"line {count + 1}: the last hash is {before.hex()}"
    seals, last, said = header.get("seals", 0), None, False
    for at, line in enumerate(lines[count + 1 :], count + 2):
        other = json.loads(line)
        if "seal" in other:
            if named or said or not seal_holds(run, hashes, last, other):
                return f"line {at}: seal {other['seal']} does not hold this journal"
            last, seals = other, seals - 1
        elif "erased" in other:
            if not erased or said or not erasure_holds(run, other):
                return f"line {at}: this is not what the log says of an erasure"
            said = True
        else:
            held = bytes.fromhex(other["hex"]) if "hex" in other else other["text"].encode()
            if sha(held) != other["blob"] or len(held) != other["bytes"] or (other["blob"], len(held)) not in named:
                return f"line {at}: the blob does not fit"
            named.discard((other["blob"], len(held)))
    if named or seals or said != bool(erased):
        return f"line {len(lines) + 1}: a blob, a seal or the word of an erasure is missing"
    return None


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or any(word.startswith("-") for word in sys.argv[1:]):
        print("usage: python3 verify.py run.ndjson [HEAD]", file=sys.stderr)
        sys.exit(2)
    if not os.path.isfile(sys.argv[1]):
        print(f"there is no file {sys.argv[1]}", file=sys.stderr)
        sys.exit(4)
    with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
        try:
            wrong = check(file.read().split("\n")[:-1], *sys.argv[2:3])
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            wrong = f"a line is not what stands there in an export: {error!r}"
    print(wrong or "ok")
    sys.exit(6 if wrong else 0)

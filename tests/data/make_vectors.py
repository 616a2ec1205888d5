#!/usr/bin/env python3
"""Writes key_vectors.txt and target_vectors.txt from the documented layouts, not from the code.

Key: u8 form, then space, database, session, caller and text as blocks (u32 little-endian length,
bytes), then the parameters. Parameter: u8 type, then nothing (null), u8 (boolean), 8 bytes
little-endian (int64, float64 by its bits), a block (text, bytes), or u8 element type and a block
(array). Name: SHA-256 over the parts
"querymark-key-v1", query bytes, parameter bytes, each after its length as u64 big-endian.
Name in a key target: likewise over "querymark-key-target-v2", the query bytes before the database's
block, those after the session's, parameter bytes; for a caller's own key name the text.
Target: SHA-256 over "querymark-target-v1", class ("key", "tag" or "flush"), text, likewise.
"""
import hashlib
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def block(data):
    return struct.pack("<I", len(data)) + data


def sha(*parts):
    return hashlib.sha256(b"".join(struct.pack(">Q", len(p)) + p for p in parts)).hexdigest()


def parameter(kind, value=None):
    if kind == "null":
        return b"\x00"
    if kind == "boolean":
        return b"\x01" + (b"\x01" if value else b"\x00")
    if kind == "int64":
        return b"\x02" + struct.pack("<q", value)
    if kind == "float64":
        return b"\x03" + struct.pack("<d", value)
    if kind == "array":
        element, literal = value
        return b"\x06" + bytes([element]) + block(literal)
    return {"text": b"\x04", "bytes": b"\x05"}[kind] + block(value)


def spelled(kind, value=None):
    if kind == "null":
        return "null"
    if kind in ("text", "bytes"):
        return f"{kind}={value.hex()}"
    if kind == "array":
        return f"array={value[0]}:{value[1].hex()}"
    if kind == "float64":
        return f"float64={struct.pack('>d', value).hex()}"
    return f"{kind}={int(value)}"


SQL, NAMED = 1, 2
SHOP = (b"shop", b"db-1", b"", b"")
KEYS = [
    (SQL, SHOP, b"select 1", []),
    (SQL, SHOP, b"select name from product where id = ?", [("int64", 7)]),
    (SQL, SHOP, b"select name from product where id = ?", [("text", b"7")]),
    (SQL, SHOP, b"select name from product where id = ?", [("float64", 7.0)]),
    (SQL, SHOP, b"select name from product where id = ?", [("bytes", b"7")]),
    (SQL, SHOP, b"select name from product where id = ?", [("null",)]),
    (SQL, SHOP, b"select name from product where id = ?", [("text", b"")]),
    (SQL, SHOP, b"select name from product where id = ?", [("bytes", b"")]),
    (SQL, SHOP, b"select name from product where id = ?", [("int64", 0)]),
    (SQL, SHOP, b"select name from product where id = ?", [("boolean", False)]),
    (SQL, SHOP, b"select name from product where id = ?", [("boolean", True)]),
    (SQL, SHOP, b"select ?, ?, ?, ?", [("int64", -1), ("int64", -2**63), ("int64", 2**63 - 1),
                                       ("float64", -0.0)]),
    (SQL, SHOP, b"select ?, ?", [("float64", float("inf")), ("float64", 1e-300)]),
    (SQL, SHOP, b"select ?, ?", [("text", b"a"), ("text", b"bc")]),
    (SQL, SHOP, b"select ?, ?", [("text", b"ab"), ("text", b"c")]),
    (SQL, SHOP, b"select ?", [("text", "Grüße, 世界 \U0001f9ea".encode())]),
    (SQL, SHOP, b"select ?", [("text", b"a\x00b")]),
    (SQL, SHOP, b"select ?", [("bytes", bytes(range(256)))]),
    (SQL, SHOP, b"select $1", [("array", (0, b"{}"))]),
    (SQL, SHOP, b"select $1", [("array", (2, b"{1,NULL}"))]),
    (SQL, SHOP, b"select $1", [("array", (3, b"{1,NULL}"))]),
    (SQL, SHOP, b"select $1", [("text", b"{1,NULL}")]),
    (SQL, (b"shop", b"db-2", b"", b""), b"select 1", []),
    (SQL, (b"shop", b"db-1", b"public", b""), b"select 1", []),
    (SQL, (b"shop", b"db-1", b"", b"tenant-7"), b"select 1", []),
    (SQL, (b"shopdb-1", b"", b"", b""), b"select 1", []),
    (SQL, (b"", b"", b"", b""), b"", []),
    (NAMED, (b"shop", b"", b"", b""), b"prices", []),
    (NAMED, (b"shop", b"", b"", b"tenant-7"), b"prices", []),
]

# Kind, raw segments (None for the flush), canonical text.
TARGETS = [
    ("tag", [b"price-list"], b"price-list"),
    ("tag", [b"tenant", b"7"], b"tenant:7"),
    ("tag", [b"tenant:7"], b"tenant%3A7"),
    ("tag", [b"100%"], b"100%25"),
    ("tag", [b"%3A"], b"%253A"),
    ("entity", [b"product", b"7"], b"product:7"),
    ("entity", [b"line", b"7", b"2"], b"line:7:2"),
    ("entity", [b"line", b"7:2"], b"line:7%3A2"),
    ("collection", [b"product"], b"product"),
    ("collection", ["Straße".encode()], "Straße".encode()),
    ("tag", [b"x" * 1024], b"x" * 1024),
    ("name", [b"prices:eu"], b"name:prices%3Aeu"),
    ("flush", None, b""),
]
CLASS = {"name": b"key", "flush": b"flush"}


def main():
    with open(HERE / "key_vectors.txt", "w", encoding="ascii") as out:
        out.write("# form|space|database|session|caller|text (hex)|parameters|encoding|name|target\n")
        for form, scope, text, parameters in KEYS:
            query = bytes([form]) + b"".join(block(p) for p in scope) + block(text)
            encoded = b"".join(parameter(*p) for p in parameters)
            head = bytes([form]) + block(scope[0])
            tail = block(scope[3]) + block(text)
            target = ("name:" + text.decode() if form == NAMED else
                      "query:" + sha(b"querymark-key-target-v2", head, tail, encoded))
            out.write("|".join([str(form), *(p.hex() for p in scope), text.hex(),
                                ",".join(spelled(*p) for p in parameters),
                                (query + encoded).hex(),
                                sha(b"querymark-key-v1", query, encoded), target]) + "\n")
    with open(HERE / "target_vectors.txt", "w", encoding="ascii") as out:
        out.write("# kind|raw segments (hex, comma)|canonical text (hex)|hash\n")
        for kind, segments, text in TARGETS:
            out.write("|".join([kind, ",".join(s.hex() for s in segments or []), text.hex(),
                                sha(b"querymark-target-v1", CLASS.get(kind, b"tag"), text)]) + "\n")


if __name__ == "__main__":
    main()

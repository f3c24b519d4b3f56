"""Writes parquet/: small Parquet files by pyarrow, and rows.json: what each of them holds.

    python parquet_files.py

Expected rows are those of pyarrow's Table.to_pylist, written as JSON: times as ISO 8601, decimals as numbers, bytes as base64 under "base64:".
"""

import base64
import datetime
import decimal
import json
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

HERE = Path(__file__).resolve().parent / "parquet"
MESSAGE = pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))


def pair(i):
    """A row like those of HuggingFaceH4/ultrafeedback_binarized: both answers with the prompt before them, and messages, which is chosen again."""
    prompt = f"Question {i}: why is the sky {['blue', 'grün', '青い', ''][i % 4]}?\n\"Say\" it 😀."
    user = {"content": prompt, "role": "user"}
    chosen = [user, {"content": "Because of Rayleigh scattering. " * (i % 5 + 1), "role": "assistant"}]
    return {
        "prompt": prompt,
        "prompt_id": f"{i:064x}",
        "chosen": chosen,
        "rejected": [user, {"content": "" if i % 7 == 3 else f"No {i}", "role": "assistant"}],
        "messages": None if i % 11 == 5 else chosen,
        "score_chosen": i / 4 + 0.1,
        "score_rejected": None if i % 6 == 2 else float(-i),
    }


PAIRS = pa.schema([
    ("prompt", pa.string()), ("prompt_id", pa.string()), ("chosen", MESSAGE), ("rejected", MESSAGE), ("messages", MESSAGE),
    ("score_chosen", pa.float64()), ("score_rejected", pa.float64()),
])


def nested():
    function = pa.struct([("name", pa.string()), ("arguments", pa.map_(pa.string(), pa.int64()))])
    schema = pa.schema([
        ("input", pa.struct([("messages", MESSAGE), ("tools", pa.list_(pa.struct([("function", function)])))])),
        ("lists", pa.list_(pa.list_(pa.int32()))),
        ("structs", pa.struct([("a", pa.struct([("b", pa.list_(pa.string()))]))])),
        ("maps", pa.map_(pa.string(), pa.list_(pa.string()))),
        ("tags", pa.list_(pa.string())),
    ])
    rows = [
        {"input": {"messages": [{"content": "hi", "role": "user"}], "tools": [{"function": {"name": "f", "arguments": {"x": 1, "y": None}}}]},
         "lists": [[1, 2], [], None, [None, 3]], "structs": {"a": {"b": ["x", None, ""]}}, "maps": {"k": ["v"], "l": None}, "tags": ["a"]},
        {"input": {"messages": [], "tools": None}, "lists": [], "structs": {"a": None}, "maps": {}, "tags": []},
        {"input": None, "lists": None, "structs": None, "maps": None, "tags": None},
        {"input": {"messages": [None, {"content": None, "role": "tool"}], "tools": []}, "lists": [None], "structs": {"a": {"b": None}},
         "maps": {"": []}, "tags": [None]},
    ]
    arrow = [dict(row) for row in rows]
    return pa.Table.from_pylist([with_maps(row) for row in arrow], schema=schema), rows


def with_maps(row):
    """pyarrow takes maps as lists of pairs."""
    row = json.loads(json.dumps(row))
    if row["maps"] is not None:
        row["maps"] = list(row["maps"].items())
    for tool in (row["input"] or {}).get("tools") or []:
        tool["function"]["arguments"] = list(tool["function"]["arguments"].items())
    return row


def types():
    schema = pa.schema([
        ("b", pa.bool_()), ("i8", pa.int8()), ("u8", pa.uint8()), ("u32", pa.uint32()), ("u64", pa.uint64()), ("i64", pa.int64()),
        ("f16", pa.float16()), ("f32", pa.float32()), ("f64", pa.float64()), ("dec", pa.decimal128(20, 3)), ("date", pa.date32()),
        ("time", pa.time64("us")), ("ts", pa.timestamp("us")), ("utc", pa.timestamp("ms", "UTC")), ("bin", pa.binary()),
        ("fixed", pa.binary(3)), ("text", pa.large_string()), ("uuid", pa.uuid()), ("null", pa.null()),
        ("word", pa.dictionary(pa.int32(), pa.string())),
    ])
    utc = datetime.timezone.utc
    rows = [
        {"b": True, "i8": -128, "u8": 255, "u32": 4294967295, "u64": 18446744073709551615, "i64": -9223372036854775808, "f16": 0.5, "f32": 0.1,
         "f64": 0.1, "dec": decimal.Decimal("-12345678901234567.890"), "date": datetime.date(2024, 2, 29), "time": datetime.time(1, 2, 3),
         "ts": datetime.datetime(2024, 1, 2, 3, 4, 0), "utc": datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, utc), "bin": b"\x00\xff", "fixed": b"abc",
         "text": "a\u0000b", "uuid": uuid.UUID(int=2**100 + 1).bytes, "null": None, "word": "w"},
        {name: None for name in schema.names},
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat().replace("+00:00", "Z").replace(".678000", ".678")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        return "base64:" + base64.b64encode(value).decode()
    if isinstance(value, uuid.UUID):
        return str(value)
    if hasattr(value, "item"):
        return value.item()
    return value


def main():
    HERE.mkdir(exist_ok=True)
    rows = [pair(i) for i in range(24)]
    table = pa.Table.from_pylist(rows, schema=PAIRS)
    expected = {}

    def write(name, table, rows=None, **options):
        pq.write_table(table, HERE / f"{name}.parquet", **options)
        expected[f"{name}.parquet"] = plain(table.to_pylist() if rows is None else rows)

    write("pairs-zstd", table, compression="zstd")
    write("pairs-snappy-groups", table, compression="snappy", row_group_size=7)
    write("pairs-gzip-v2", table.slice(0, 9), compression="gzip", data_page_version="2.0", row_group_size=4)
    write("pairs-plain-pages", table.slice(0, 9), compression="none", use_dictionary=False, data_page_size=100, write_batch_size=2)
    write("strings-delta", table.select(["prompt", "score_chosen"]).slice(0, 9), compression="zstd", use_dictionary=False,
          column_encoding={"prompt": "DELTA_BYTE_ARRAY", "score_chosen": "BYTE_STREAM_SPLIT"})
    write("no-rows", table.slice(0, 0))
    write("nested", *nested(), compression="zstd")
    write("types", types())
    # Spark writes such times as UTC; pyarrow leaves the zone open
    write("int96", pa.table({"ts": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5)], pa.timestamp("us"))}), [{"ts": "2024-01-02T03:04:05Z"}],
          use_deprecated_int96_timestamps=True)
    pq.write_table(table.slice(0, 3), HERE / "lz4.parquet", compression="lz4")
    Dataset.from_list(rows[:5]).to_parquet(HERE / "by-datasets.parquet")
    expected["by-datasets.parquet"] = rows[:5]
    (HERE / "rows.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()

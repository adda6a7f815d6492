"""Reads forms with the Python package named first: each folder's `content-type.txt` and `input.bin`.

One JSON line a folder: a list of [name, file name, body in base64], or an error.
"""

import base64
import json
import pathlib
import sys


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def multipart(content_type, body):
    import multipart

    kind, options = multipart.parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise ValueError(kind)
    parts = []
    with multipart.PushMultipartParser(options["boundary"], max_header_count=32, max_header_size=16384) as parser:
        for event in parser.parse(body):
            if isinstance(event, multipart.MultipartSegment):
                parts.append([event.name, event.filename, b""])
            elif event:
                parts[-1][2] += event
    return parts


def python_multipart(content_type, body):
    from python_multipart.multipart import MultipartParser, parse_options_header

    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise ValueError(kind)
    parts, header, ended = [], [b"", b""], []

    def begin():
        parts.append([None, None, b""])

    def field(data, start, end):
        header[0] += data[start:end]

    def value(data, start, end):
        header[1] += data[start:end]

    def header_end():
        if header[0].lower() == b"content-disposition":
            _, options = parse_options_header(header[1])
            parts[-1][0] = text(options.get(b"name"))
            parts[-1][1] = text(options.get(b"filename"))
        header[:] = [b"", b""]

    def data(data, start, end):
        parts[-1][2] += data[start:end]

    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_part_begin": begin,
            "on_part_data": data,
            "on_header_field": field,
            "on_header_value": value,
            "on_header_end": header_end,
            "on_end": lambda: ended.append(True),
        },
    )
    parser.write(body)
    parser.finalize()
    if not ended:
        raise ValueError("it did not end")
    return parts


for name in sys.argv[2:]:
    folder = pathlib.Path(name)
    try:
        content_type = (folder / "content-type.txt").read_text("utf-8", "surrogateescape")
        parts = globals()[sys.argv[1]](content_type, (folder / "input.bin").read_bytes())
        print(json.dumps([[name, file, base64.b64encode(body).decode()] for name, file, body in parts]))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))

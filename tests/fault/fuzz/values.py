"""Values that programs have stumbled over: numbers, texts, times, paths and headers."""

from typing import Final

NUMBERS: Final = (
    *(b"NaN", b"Infinity", b"-Infinity", b"-0", b"-0.0", b"0.0", b"1e999", b"-1e999", b"1e-400", b"5e-324", b"1.7976931348623157e308"),
    *(b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809", b"18446744073709551616"),
    *(b"1" + b"0" * 400, b"0." + b"0" * 400 + b"1", b"1e5", b"1E+2", b"00", b"01", b"1.", b".5", b"+1", b"0x10", b"1_000", b"1e", b"--1"),
    *(b"0", b"1", b"-1", b"2", b"255", b"256", b"65536", b"2147483648", b"4294967296", b"9007199254740993", b"1e18", b"3.5", b"1e300"),
)
"""As they would stand in JSON or in a query; some are no JSON."""

TEXTS: Final = (
    *("", " ", "\t", "\x00", "a\x00b", "\ufeff", "\u202e", "\u200b", "\u0661\u0662", "\uff11", "\u00df", "\u0130", "\U0001f4a9", "e\u0301"),
    *(
        "\ud800",
        "\udfff\ud800",
        "\uffff",
        "\x7f",
        "\x1b[31m",
        "\r\n",
        "a\r\nx-injected: 1",
        "\n",
        "'",
        '"',
        "\\",
        "`id`",
        "$(id)",
        "%",
        "%s%n",
    ),
    *("{0.__class__}", "{{7*7}}", "${jndi:ldap://127.0.0.1/}", "../../../../etc/passwd", "..\\..\\", "/etc/passwd", "file:///etc/passwd"),
    *(
        "' OR 1=1 --",
        "1; DROP TABLE keys",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "a" * 33,
        "a" * 257,
        "A" * 5000,
        "\u00e9" * 300,
    ),
    *(
        "null",
        "None",
        "undefined",
        "true",
        "NaN",
        "-1",
        "0",
        "__proto__",
        "constructor",
        ".",
        "..",
        "*",
        "?",
        "#",
        "|",
        "@",
        "~",
        "AAPL",
        "1d",
    ),
    *("1h", "tick", "close", "t", "regime:FUZZ:1d:3_state", "book:FUZZ-BOOK:next_mid_move", "core_technical", "core_technical@1", "FUZZ"),
)

TIMES: Final = (
    *(
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2024-02-30",
        "0000-00-00",
        "0001-01-01",
        "9999-12-31T23:59:59.999999999Z",
        "2262-04-12",
        "1677-09-20",
    ),
    *("2024-01-01T24:00:00Z", "2024-01-01T23:59:60Z", "2024-01-01T00:00:00", "2024-01-01T00:00:00+99:99", "2024-W01-1", "20240101", "now"),
    *(
        "2024-01-01T00:00:00.0000000001Z",
        "1969-12-31T23:59:59Z",
        "-2024-01-01",
        "2024-01-01 00:00",
        "24-1-1",
        "9" * 19,
        "-" + "9" * 19,
        "1" * 25,
    ),
)

SEGMENTS: Final = (
    *(b"", b".", b"..", b"%2e%2e", b"%2f", b"%5c", b"%00", b"%ff", b"%c0%af", b"%", b"%zz", b"%25", b"%2525", b"a" * 300, b"%F0%9F%92%A9"),
    *(
        b"0",
        b"-1",
        b"1",
        b"9223372036854775807",
        b"9223372036854775808",
        b"1e5",
        b"none",
        b"NaN",
        b"*",
        b"'",
        b"%22",
        b";a=b",
        b"a,b",
        b"a+b",
        b"%0d%0a",
    ),
    *(
        b"FUZZ",
        b"fuzz",
        b"^GSPC",
        b"FUZZ-BOOK",
        b"1d",
        b"1D",
        b"tick",
        b"7m",
        b"core_technical",
        b"core_technical@1",
        b"core_technical@99999999999999999999",
    ),
    *(
        b"regime:FUZZ:1d:3_state",
        b"book:FUZZ-BOOK:next_mid_move",
        b"regime:::",
        b"champion",
        b"samples",
        b"run",
        b"\xc3\xa9",
        b"%E2%80%AE",
        b"%u0041",
    ),
)

TYPES: Final = (
    *(
        b"application/json",
        b"application/msgpack",
        b"text/csv",
        b"application/x-ndjson",
        b"application/octet-stream",
        b"text/plain",
        b"*/*",
        b"",
    ),
    *(
        b"application/json; charset=utf-16",
        b"APPLICATION/JSON",
        b"application/json;q=0",
        b"multipart/form-data; boundary=x",
        b"text/html",
        b"a",
        b"/",
    ),
    *(
        b"application/x-www-form-urlencoded",
        b"application/vnd.apache.arrow.stream",
        b"application/vnd.apache.parquet",
        b"image/png",
        b"\xff\xfe",
    ),
    *(
        b"application/json, text/csv;q=0.5",
        b"text/csv;q=9e999, */*;q=-1",
        b"application/problem+json",
        b"application/openmetrics-text",
        b",,;;",
    ),
)

ENCODINGS: Final = (
    b"gzip",
    b"zstd",
    b"br",
    b"identity",
    b"deflate",
    b"gzip, gzip",
    b"GZIP",
    b"x",
    b"*;q=0",
    b"gzip;q=0.0, br;q=1e9",
    b"\xff",
)

TOKENS: Final = (
    *(
        b"",
        b"x",
        b"rpsd_",
        b"rpsd_x_y",
        b"rpsd_" + b"a" * 3000,
        b"a.b.c",
        b"eyJhbGciOiJub25lIn0.e30.",
        b"..",
        b"\xff\xff",
        b"Basic eDp5",
        b"Bearer",
    ),
    *(
        b"eyJhbGciOiJIUzI1NiIsImtpZCI6Ii4uLy4uL2tleSJ9.eyJleHAiOjFlOTk5fQ.AAAA",
        b"rpsd_00000000_" + b"0" * 43,
        b"rpsd_\xc3\xa9_x",
        b"a." + b"b" * 9000 + b".c",
    ),
)

HEADERS: Final = (
    *((b"x-request-id", value) for value in (b"", b"a b", b"a" * 129, b"\xff", b"ok-1", b"a;b", b"'")),
    *((b"idempotency-key", value) for value in (b"", b"k", b"a" * 128, b"a" * 129, b"\xc3\xa9", b"\xff", b" ", b"k2")),
    *(
        (b"host", value)
        for value in (b"", b"evil.example", b"localhost:99999", b"127.0.0.1.", b"[::1]", b"[", b"a" * 300, b"localhost@evil", b"\xff")
    ),
    *((b"x-forwarded-for", value) for value in (b"1.2.3.4", b"1.2.3.4, 5.6.7.8", b"::1", b"x", b"," * 1000, b"\xff", b"999.1.1.1")),
    *((b"x-forwarded-proto", value) for value in (b"https", b"x", b"\xff")),
    *((b"range", value) for value in (b"bytes=0-1", b"bytes=-1", b"x")),
    *((b"expect", value) for value in (b"100-continue", b"x")),
    *((b"origin", value) for value in (b"null", b"https://evil.example", b"\xff")),
    *((b"cookie", value) for value in (b"a=b", b"x" * 4000, b"=;=;" * 500)),
    *((b"if-none-match", value) for value in (b"*", b'"x"', b"\xff")),
    *((b"if-modified-since", value) for value in (b"x", b"Sat, 29 Oct 1994 19:43:31 GMT")),
    *((b"connection", value) for value in (b"keep-alive, x", b"close")),
    *((b"last-event-id", value) for value in (b"x", b"1", b"-1", b"9" * 40)),
    *((b"te", value) for value in (b"trailers", b"x")),
    *((b"content-language", value) for value in (b"de",)),
    *((b"x-http-method-override", value) for value in (b"DELETE",)),
    *((b"x-original-url", value) for value in (b"/api/v1/admin/keys",)),
    *((b"forwarded", value) for value in (b"for=1.2.3.4;proto=https",)),
)

METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"PROPFIND", b"get", b"X" * 60, b"M-SEARCH")

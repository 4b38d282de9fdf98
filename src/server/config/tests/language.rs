//! Goal: every construct of the language gives the tree that nats-server reads. Method: the values here are those that its own
//! reader gives for the same texts; the places of faults are ours, to the column.

use super::{Texts, tree};

fn reads(text: &str, expected: &str) {
    assert_eq!(tree(text, &Texts::default()).as_deref(), Ok(expected), "{text:?}");
}

fn refuses(text: &str, expected: &str) {
    assert_eq!(tree(text, &Texts::default()), Err(format!("main:{expected}")), "{text:?}");
}

#[test]
fn entries() {
    reads("", "{}");
    reads(" \t\r\n\n", "{}");
    reads("a 1", "{a@1:1 1}");
    reads("a: 1\nb = 2\n\n  c 3", "{a@1:1 1, b@2:1 2, c@4:3 3}");
    reads("a:1, b:2; c:3,", "{a@1:1 1, b@1:6 2, c@1:11 3}");
    reads("a\n\n 1", "{a@1:1 1}"); // without a separator the value may be on another line
    reads("a : \t b", "{a@1:1 \"b\"}");
    reads("'a b': 1\n\"c:d\"=2\n\"e\"5", "{a b@1:2 1, c:d@2:2 2, e@3:2 5}");
    reads("a: 1\nb: 2\na: 3", "{a@3:1 3, b@2:1 2}");
    reads("a: 1 }", "{a@1:1 1}");
    reads("{a: 1, b: {c: 2}}", "{a@1:2 1, b@1:8 {c@1:12 2}}");
    reads("{\n\"a\": 1,\n\"b\": [\"c\", true]\n}\n", "{a@2:2 1, b@3:2 [\"c\", true]}");
    reads("{a: 1\n", "{a@1:2 1}"); // the last line is closed, the map need not be
    reads("a {b: 1}\n}", "{a@1:1 {b@1:4 1}}");
    reads("{{a: 1}, b: 2}", "{a@1:3 1, b@1:10 2}");
    reads("é: 1, b: 2", "{é@1:1 1, b@1:8 2}"); // columns are bytes
    refuses("a", "1:2: expected a value, found the end");
    refuses("a\n", "2:1: expected a value, found the end");
    refuses("a:\n1", "1:3: expected a value, found the end of the line");
    refuses(": 1", "1:1: expected a key, found `:`");
    refuses("a: 1\n  = 2", "2:3: expected a key, found `=`");
    refuses("a: 1 b: 2", "1:6: expected a new line, `;`, `,` or a comment after the value, found `b`");
    refuses("a: 1\n\"b", "2:3: expected the key's closing quote, found the end");
    refuses("{a: 1", "1:6: expected a new line, `;`, `,`, a comment or `}` after the value, found the end");
    refuses("{{a: 1}", "1:8: expected `}`, found the end");
    refuses("a: 1\n/ b: 2", "2:1: expected a key, found `/`");
}

#[test]
fn comments() {
    reads("# a: 1\n// b: 2\nc: 3 # x\nd: 4 // y\ne: f#g", "{c@3:1 3, d@4:1 4, e@5:1 \"f#g\"}");
    reads("a [ # x\n 1, // y\n 2 # z\n]", "{a@1:1 [1, 2]}");
    reads("a { # x\n b: 1 // y\n # z\n}", "{a@1:1 {b@2:2 1}}");
    reads("{ # x\n a: 1 # y\n} // z", "{a@2:2 1}");
    reads("a: 1 #", "{a@1:1 1}");
}

#[test]
fn strings() {
    reads("a: b.>, c: *.d", "{a@1:1 \"b.>\", c@1:9 \"*.d\"}");
    reads("a: \"b # c\", d: 'e \\n \"'", "{a@1:1 \"b # c\", d@1:13 \"e \\\\n \\\"\"}");
    reads(r#"a: "\t\n\r\"\\\x41\xc3\xa9""#, "{a@1:1 \"\\t\\n\\r\\\"\\\\Aé\"}");
    reads(r"a: b\x20c\\", "{a@1:1 \"b c\\\\\"}");
    reads("a: \"x\ny\"\nb: 'x\ny'", "{a@1:1 \"x\\ny\", b@3:1 \"x\\ny\"}");
    reads("a: b'\nc: d", "{a@1:1 \"b\", c@2:1 \"d\"}"); // a closing quote ends a bare string
    reads("a=", "{a@1:1 \"\"}");
    reads("a=;b=,", "{a@1:1 \"\", b@1:4 \"\"}");
    reads("a: \"true\", b: 'false', c: tr\\x75e", "{a@1:1 \"true\", b@1:12 \"false\", c@1:24 \"true\"}");
    refuses("a: \"b", "1:6: expected the closing `\"`, found the end");
    refuses("a: 1\nb: 'c\n", "3:1: expected the closing `'`, found the end");
    refuses(r#"a: "b\q""#, "1:7: expected one of `x`, `t`, `n`, `r`, `\"` and `\\` after `\\`, found `q`");
    refuses(r#"a: "\x4g""#, "1:8: expected two hexadecimal digits after `\\x`, found `g`");
    refuses("a: 1\nb:  \"\\xff\"", "2:5: escapes that are not UTF-8 in the text");
    refuses("a: 1\n b\0", "2:3: NUL byte in the text");
}

#[test]
fn blocks() {
    reads("a: (\nx (y)\n z)\n)\nb: 1", "{a@1:1 \"\\nx (y)\\n z)\\n\", b@5:1 1}");
    reads("a: (\n)\n", "{a@1:1 \"\\n\"}");
    // As nats-server has it: at the very end the bracket is part of the string.
    reads("a: (\nx\n)", "{a@1:1 \"\\nx\\n)\"}");
    refuses("a: (\nx )\n", "3:1: expected a line that is only `)`, found the end");
}

#[test]
fn booleans() {
    reads(
        "a true, b: Yes, c: ON, d: false, e: no, f: Off",
        "{a@1:1 true, b@1:9 true, c@1:17 true, d@1:24 false, e@1:34 false, f@1:41 false}",
    );
    reads("a: truex, b: y", "{a@1:1 \"truex\", b@1:11 \"y\"}");
}

#[test]
fn integers() {
    reads("a: 0, b: -7, c: 007", "{a@1:1 0, b@1:7 -7, c@1:14 7}");
    reads("a 1k, b 1K, c 1kb, d 1Ki, e 1KiB", "{a@1:1 1000, b@1:7 1000, c@1:13 1024, d@1:20 1024, e@1:27 1024}");
    reads("a 2m, b 2mb, c 2g, d 2gb", "{a@1:1 2000000, b@1:7 2097152, c@1:14 2000000000, d@1:20 2147483648}");
    reads(
        "a 1t, b 1tb, c 1p, d 1pib",
        "{a@1:1 1000000000000, b@1:7 1099511627776, c@1:14 1000000000000000, d@1:20 1125899906842624}",
    );
    reads("a 1e, b 1eb, c -1kb", "{a@1:1 1000000000000000000, b@1:7 1152921504606846976, c@1:14 -1024}");
    reads(
        "a: 9223372036854775807, b: -9223372036854775808",
        "{a@1:1 9223372036854775807, b@1:25 -9223372036854775808}",
    );
    reads("a: 5s, b: 10kx, c: 1a", "{a@1:1 \"5s\", b@1:8 \"10kx\", c@1:17 \"1a\"}");
    refuses("a: 9223372036854775808", "1:4: number `9223372036854775808` does not fit into 64 bits");
    refuses("a: 1\nb:  10e", "2:5: number `10e` does not fit into 64 bits");
    refuses("a: 1kbb", "1:4: number `1kbb` has an unknown suffix");
    refuses("a: -x", "1:5: expected a digit after `-`, found `x`");
    refuses("a: -1x", "1:6: expected a new line, `;`, `,` or a comment after the value, found `x`");
    reads("a: 1k5, b: 4e2abc, c: -1e5", "{a@1:1 \"1k5\", b@1:9 \"4e2abc\", c@1:20 \"-1e5\"}");
}

#[test]
fn floats_addresses_and_dates() {
    reads("a: 1.5, b: -0.25", "{a@1:1 1.5, b@1:9 -0.25}");
    reads("a: 127.0.0.1:4222, b: 1.2.3", "{a@1:1 \"127.0.0.1:4222\", b@1:20 \"1.2.3\"}");
    reads("a: 2024-02-29T23:59:59Z", "{a@1:1 2024-02-29T23:59:59Z}");
    refuses("a: .5", "1:4: expected a value; a number begins with a digit, found `.`");
    refuses("a: 1.", "1:6: expected a digit after `.`, found the end");
    refuses("a: 1.5s", "1:7: expected a new line, `;`, `,` or a comment after the value, found `s`");
    refuses("a: 12-34", "1:6: expected a date and time such as 2026-01-31T12:00:00Z, or quotes, found `-`");
    refuses("a: 2024-02-29", "1:14: expected a date and time such as 2026-01-31T12:00:00Z, or quotes, found the end");
    refuses("a: 2023-02-29T00:00:00Z", "1:4: number `2023-02-29T00:00:00Z` is no date");
    refuses("a: 2023-13-01T00:00:00Z", "1:4: number `2023-13-01T00:00:00Z` is no date");
    refuses("a: 2023-12-01T24:00:00Z", "1:4: number `2023-12-01T24:00:00Z` is no date");
}

#[test]
fn arrays() {
    reads("a: []", "{a@1:1 []}");
    reads("a [1, 'b', \"c\", d, [], {}]", "{a@1:1 [1, \"b\", \"c\", \"d\", [], {}]}");
    reads("a [\n b\n c,\n d,\n]", "{a@1:1 [\"b\", \"c\", \"d\"]}");
    reads("a: [1 ]", "{a@1:1 [1]}");
    // As nats-server has it: the bracket is part of a string that begins with a digit.
    refuses("a: [1]", "1:7: expected `,`, a new line or `]`, found the end");
    refuses("a: [", "1:5: expected a value or `]`, found the end");
    refuses("a: [,]", "1:5: expected a value or `]`, found `,`");
    refuses("a: [b,\n,c]", "2:1: expected a value or `]`, found `,`");
    refuses("a: [b c]", "1:7: expected `,`, a new line or `]`, found `c`");
    refuses("a: [b;c]", "1:6: expected `,`, a new line or `]`, found `;`");
}

#[test]
fn maps() {
    reads("a {}", "{a@1:1 {}}");
    reads("a {b: 1, c {d: 2}; e 3\n f = 4 }", "{a@1:1 {b@1:4 1, c@1:10 {d@1:13 2}, e@1:20 3, f@2:2 4}}");
    reads("a {b:\n\n 1}", "{a@1:1 {b@1:4 1}}"); // in a map the value may always be on another line
    reads("a {'b c': 1, \"d\" 2}", "{a@1:1 {b c@1:5 1, d@1:15 2}}");
    reads("a {/b: 1}", "{a@1:1 {b@1:5 1}}"); // as nats-server has it
    refuses("a {b}", "1:6: expected a value, found the end");
    refuses("a {b }", "1:6: expected a value, found `}`");
    refuses("a {b: , c: 1}", "1:7: expected a value, found `,`");
    refuses("a {", "1:4: expected a key or `}`, found the end");
    refuses("a {]", "1:4: expected a key or `}`, found `]`");
    refuses("a {:}", "1:4: expected a key, found `:`");
    refuses("a {b: 1 c: 2}", "1:9: expected `,`, `;`, a new line or `}`, found `c`");
    refuses("a {'b", "1:6: expected the key's closing quote, found the end");
}

#[test]
fn variables() {
    reads("a: 5, b: $a", "{a@1:1 5, b@1:7 5}");
    reads(
        "a: 5\nm {b: $a, a: 6, c: $a, n {d: $a}}",
        "{a@1:1 5, m@2:1 {b@2:4 5, a@2:11 6, c@2:17 6, n@2:24 {d@2:27 6}}}",
    );
    reads("a: {x: [1 ]}, b: [$a, $a]", "{a@1:1 {x@1:5 [1]}, b@1:15 [{x@1:5 [1]}, {x@1:5 [1]}]}");
    reads("a: $2a$10$xyz", "{a@1:1 \"$2a$10$xyz\"}");
    reads("a: \"$b\", c: '$b', d: $b'", "{a@1:1 \"$b\", c@1:10 \"$b\", d@1:19 \"$b\"}");
    refuses("a: 1\nb:  $c", "2:5: variable `$c` is neither a key before this place nor in the environment");
    refuses("a: $b, b: 1", "1:4: variable `$b` is neither a key before this place nor in the environment");
    refuses("m {a: 1}\nb: $a", "2:4: variable `$a` is neither a key before this place nor in the environment");
    refuses("m {a: $m}", "1:7: variable `$m` is neither a key before this place nor in the environment");
    refuses("a: $2b$10$xyz", "1:4: variable `$2b$10$xyz` is neither a key before this place nor in the environment");
    refuses("a: $", "1:4: variable `$` is neither a key before this place nor in the environment");
}

#[test]
fn variables_of_the_environment() {
    let source = Texts::of(&[
        ("$NUMBER", "5k"),
        ("$MAP", "{x: $NUMBER, y: [a, $NUMBER]}"),
        ("$TEXT", "a b"),
        ("$QUOTED", "'a b'"),
        ("$SELF", "[$SELF]"),
        ("$ONE", "$TWO"),
        ("$TWO", "$ONE"),
        ("$EMPTY", ""),
    ]);
    let reads = |text: &str, expected: &str| assert_eq!(tree(text, &source).as_deref(), Ok(expected), "{text:?}");
    reads("a: $NUMBER", "{a@1:1 5000}");
    reads("NUMBER: 1, a: $NUMBER", "{NUMBER@1:1 1, a@1:12 1}");
    reads("a:  $MAP", "{a@1:1 {x@1:5 5000, y@1:5 [\"a\", 5000]}}");
    reads("a: $QUOTED, b: $EMPTY", "{a@1:1 \"a b\", b@1:13 \"\"}");
    let refuses =
        |text: &str, expected: &str| assert_eq!(tree(text, &source), Err(format!("main:{expected}")), "{text:?}");
    let after = "expected a new line, `;`, `,` or a comment after the value, found `b`";
    refuses("\na: $TEXT", &format!("2:4: environment variable `$TEXT`: {after}"));
    refuses("a: $SELF", "1:4: environment variable `$SELF` refers to itself, or to more than 16 others");
    refuses("a: $ONE", "1:4: environment variable `$ONE` refers to itself, or to more than 16 others");
    refuses("a: $NOBODY", "1:4: variable `$NOBODY` is neither a key before this place nor in the environment");
}

#[test]
fn included_files() {
    let source = Texts::of(&[
        ("one", "x: 1\nport: 1"),
        ("sub/two", "include three\ny: 2"),
        ("sub/three", "z: 3"),
        ("up", "include ../up2"),
        ("../up2", "u: 1"),
        ("self", "a: 1\n\ninclude self"),
        ("ping", "include 'pong'"),
        ("pong", "include \"ping\""),
        ("main2", "include main"),
        ("broken", "a: 1\nb: [c"),
        ("uses", "v: $outer"),
        ("$outer", "environment"),
    ]);
    let reads = |text: &str, expected: &str| assert_eq!(tree(text, &source).as_deref(), Ok(expected), "{text:?}");
    reads("include one", "{x@one:1:1 1, port@one:2:1 1}");
    reads("port: 5\ninclude 'one'\nb: $x", "{port@one:2:1 1, x@one:1:1 1, b@3:1 1}");
    reads("a {b: 1\n INCLUDE \"one\", c: 2}", "{a@1:1 {b@1:4 1, x@one:1:1 1, port@one:2:1 1, c@2:17 2}}");
    reads("include ./sub/two", "{z@sub/three:1:1 3, y@sub/two:2:1 2}");
    reads("include /one; a: 1", "{x@one:1:1 1, port@one:2:1 1, a@1:15 1}"); // below the folder all the same
    reads("include up", "{u@../up2:1:1 1}");
    // An outer entry is not a variable inside; the environment is.
    reads("outer: 1, include uses", "{outer@1:1 1, v@uses:1:1 \"environment\"}");
    reads("include: one, 'include' two", "{include@1:16 \"two\"}");
    let refuses = |text: &str, expected: &str| assert_eq!(tree(text, &source), Err(expected.to_owned()), "{text:?}");
    refuses("a: 1\ninclude  nothing", "main:2:10: cannot read `nothing`: entity not found");
    refuses("include self", "self:3:9: `self` includes itself");
    refuses("include ping", "pong:1:9: `ping` includes itself");
    refuses("include main2", "main2:1:9: `main` includes itself");
    refuses("include broken", "broken:2:6: expected `,`, a new line or `]`, found the end");
    refuses(
        "include [",
        "main:1:9: expected the name of a file; one that begins with a digit or `-` in quotes, found `[`",
    );
    refuses("include 'a", "main:1:11: expected the closing quote of a file name, found the end");
    refuses(
        "include \n",
        "main:1:9: expected the name of a file; one that begins with a digit or `-` in quotes, found the end of the line",
    );
    refuses("include", "main:1:8: expected a value, found the end");
}

#[test]
fn without_a_folder_nothing_is_included() {
    let error = super::wrong("port: 1\ninclude one");
    assert_eq!(error, "2:9: cannot read `one`: this configuration is not in a folder");
}

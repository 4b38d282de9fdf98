//! The main example as its users run it: a process of its own, on the shipped file, on pipes, and on what goes wrong.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Builds the example as this test was built, once, and runs it with `argument` and `input`.
fn sort(argument: Option<&str>, input: &[u8]) -> Output {
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", "sorting_office"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the example builds");
        // <target>/<profile>/deps/<this test>
        let deps = std::env::current_exe().expect("this test is a file");
        deps.ancestors().nth(2).expect("it lies in deps").join("examples/sorting_office")
    });
    let mut command = Command::new(program);
    command.args(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A program that does not read its input closes the pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("the example ends")
}

struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(argument: Option<&str>, input: impl AsRef<[u8]>) -> Run {
    let Output { status, stdout, stderr } = sort(argument, input.as_ref());
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    Run { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A file of this test run's own.
fn file(name: &str, content: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the target directory can be written to");
    path.display().to_string()
}

/// The words of the table's row that begins with `part`.
fn row(run: &Run, part: &str) -> Vec<u64> {
    let line = run.out.lines().find(|line| line.starts_with(part)).unwrap_or_else(|| panic!("{part}: {}", run.out));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_shipped_log_is_sorted_without_loss_where_none_is_allowed() {
    let run = run(None, "");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("2494 dpkg lines: 2494 published, 0 bad"), "{}", run.out);
    assert_eq!(row(&run, "archive")[..3], [2494, 2494, 0]);
    assert_eq!(row(&run, "widest")[..3], [2494, 2494, 0]);
    let workers: u64 = ["index 1", "index 2", "index 3"].map(|part| row(&run, part)[2]).iter().sum();
    assert_eq!(workers, 2494, "{}", run.out);
    assert!(run.out.contains("query.total    2494"), "{}", run.out);
    assert!(run.out.contains("query.kind     status 1776, configure 343, install 341"), "{}", run.out);
    assert!(run.out.trim_end().ends_with("balances"), "{}", run.out);
    assert!(run.err.contains("lines read"), "progress is shown: {}", run.err);
}

#[test]
fn standard_input_is_read_and_its_format_found_out() {
    let access = r#"192.0.2.1 - - [10/Oct/2025:13:55:36 +0000] "GET /shop/cart?x=1 HTTP/1.1" 200 2326
192.0.2.2 - bob [10/Oct/2025:13:55:37 +0000] "GET /missing HTTP/1.1" 404 12 "-" "curl/8.0"
192.0.2.3 - - [10/Oct/2025:13:55:38 +0000] "POST / HTTP/2.0" 503 0 "https://example.org/" "x"
"#;
    let syslog = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed\nOct  1 02:14:15 gate sshd[12]: hello\n\
                  2025-10-11T22:14:15.003Z gate sshd[12]: hello\n<11>Oct 11 22:14:15 gate.lan cron.d[1]: done\n";
    let json = "{\"level\":\"error\",\"service\":\"billing.eu\",\"status\":\"late\"}\n{\"severity\":\"info\"}\n";
    for (input, format, lines, kinds) in [
        (access, "access", 3, "GET 2, POST 1"),
        (syslog, "syslog", 4, "unranked 2, crit 1, err 1"),
        (json, "json", 2, "error 1, info 1"),
    ] {
        let run = run(Some("-"), input);
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.out.contains(&format!("{lines} {format} lines: {lines} published, 0 bad")), "{}", run.out);
        assert!(run.out.contains(&format!("query.kind     {kinds}\n")), "{}", run.out);
        assert_eq!(row(&run, "alerts")[0], 1, "{}", run.out);
    }
}

#[test]
fn names_become_one_token_whatever_is_in_them() {
    let json =
        "{\"level\":\"a.b\",\"service\":\"*\",\"event\":\"two words\"}\n{\"level\":\"a%2Eb\",\"service\":\">\"}\n";
    let run = run(Some("-"), json);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("query.kind     a%2Eb 1, a.b 1\n"), "{}", run.out);
    assert!(run.out.contains("query.name     * 1, > 1\n"), "{}", run.out);
    assert!(run.out.contains("query.detail   none 1, two words 1\n"), "{}", run.out);
}

#[test]
fn bad_lines_are_reported_by_number_and_do_not_stop_the_run() {
    let mut text = b"2025-06-24 14:36:25 status installed libc6:amd64 2.36-9\n\n".to_vec();
    text.extend(b"2025-06-24 14:36:25 explode libc6:amd64 1 2\n\xff\xfe\n2025-06-24 14:36:25 status\nnonsense\n");
    text.extend([b'x'; 70_000]);
    text.extend(format!("\n2025-06-24 14:36:25 install {}:all 1 2\n", "n".repeat(5_000)).bytes());
    text.extend(b"2025-06-24 14:36:26 install zlib1g:amd64 <none> 1.2");
    let run = run(Some(&file("bad.log", &text)), "");
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("8 dpkg lines: 2 published, 6 bad"), "{}", run.out);
    let reported: Vec<_> = run.err.lines().filter(|line| line.starts_with("line ")).collect();
    assert_eq!(
        reported,
        [
            "line 3: an action that dpkg does not know",
            "line 4: not UTF-8",
            "line 5: too few words for a dpkg line",
            "line 6: too few words for a dpkg line",
            "line 7: longer than 65,536 bytes",
            "line 8: subject of 5021 bytes is longer than the 4096 allowed",
        ]
    );
    assert_eq!(row(&run, "archive")[..2], [2, 2]);
}

#[test]
fn an_empty_file_is_an_empty_run() {
    for text in ["", "\n\n  \n"] {
        let run = run(Some(&file("empty.log", text.as_bytes())), "");
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.out.contains("0 published, 0 bad") && run.out.trim_end().ends_with("balances"), "{}", run.out);
    }
}

#[test]
fn input_that_cannot_be_used_is_named_and_ends_with_code_2() {
    let unknown = file("unknown.log", b"some text\nwithout any form\n");
    for (argument, why) in [
        ("/no/such/file", "cannot read /no/such/file: No such file"),
        (env!("CARGO_MANIFEST_DIR"), "cannot read"),
        (unknown.as_str(), "none of its first lines"),
    ] {
        let run = run(Some(argument), "");
        assert_eq!(run.code, Some(2), "{}", run.err);
        assert!(run.err.contains(why), "{}", run.err);
        assert!(run.out.is_empty(), "{}", run.out);
    }
}

//! The main example as its users run it: a process of its own, on the shipped file, on pipes, and on what goes wrong.

use postroom_nats_tests::program;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Runs the example with `argument` and `input`.
fn sort(argument: Option<&str>, input: &[u8]) -> Output {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| program::example("sorting_office"));
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
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
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
    assert!(run.out.contains("2494 published, 0 bad, 2494 metered"), "{}", run.out);
    assert_eq!(row(&run, "archive")[..3], [2494, 2494, 0]);
    assert_eq!(row(&run, "widest")[..3], [2494, 2494, 0]);
    let workers: u64 = ["index 1", "index 2", "index 3"].map(|part| row(&run, part)[2]).iter().sum();
    assert_eq!(workers, 2494, "{}", run.out);
    for (action, count) in [("status", 1776), ("configure", 343), ("install", 341)] {
        assert_eq!(row(&run, action), [count], "{}", run.out);
    }
    assert!(run.out.trim_end().ends_with("balances"), "{}", run.out);
}

#[test]
fn bad_lines_are_reported_by_number_and_do_not_stop_the_run() {
    let mut text =
        b"2025-06-24 14:36:25 status installed libc6:amd64 2.36-9\n\n\xff\xfe\n2025-06-24 14:36:25 status\n".to_vec();
    text.extend(format!("2025-06-24 14:36:25 install {}:all 1 2\n", "n".repeat(5_000)).bytes());
    text.extend(b"2025-06-24 14:36:26 install libpython3.11:amd64 <none> 1.2");
    for run in [run(Some(&file("bad.log", &text)), ""), run(Some("-"), &text)] {
        assert_eq!(run.code, Some(0), "{}", run.err);
        assert!(run.out.contains("2 published, 3 bad, 2 metered"), "{}", run.out);
        let reported: Vec<_> = run.err.lines().filter(|line| line.starts_with("line ")).collect();
        assert_eq!(
            reported,
            [
                "line 3: not UTF-8",
                "line 4: too few words for a dpkg line",
                "line 5: subject of 5016 bytes is longer than the 4096 allowed",
            ]
        );
        assert_eq!(row(&run, "archive")[..2], [2, 2]);
    }
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
fn input_that_cannot_be_read_is_named() {
    for argument in ["/no/such/file", env!("CARGO_MANIFEST_DIR")] {
        let run = run(Some(argument), "");
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.contains(argument), "{}", run.err);
    }
}

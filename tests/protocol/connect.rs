//! The options of CONNECT (C8, C10 to C12).

use crate::peer::answer;
use postroom::protocol::Connect;

fn merged(json: &str) -> Connect {
    let mut options = Connect::default();
    options.merge(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
    options
}

#[test]
fn defaults_are_those_of_a_telnet_user() {
    let options = merged("{}");
    assert_eq!(options, Connect::default());
    assert!(options.verbose && options.pedantic && options.echo && !options.headers && !options.no_responders);
    assert_eq!((options.protocol, options.name), (0, None));
}

#[test]
fn what_async_nats_sends() {
    let options = merged(
        r#"{"verbose":false,"pedantic":false,"jwt":null,"nkey":null,"sig":null,"name":null,"echo":true,"lang":"rust","version":"0.51.0",
        "protocol":1,"tls_required":false,"user":null,"pass":null,"auth_token":null,"headers":true,"no_responders":true}"#,
    );
    let mut expected = Connect::default();
    (expected.verbose, expected.pedantic, expected.headers, expected.no_responders) = (false, false, true, true);
    (expected.protocol, expected.lang, expected.version) = (1, Some("rust".into()), Some("0.51.0".into()));
    assert_eq!(options, expected);
}

/// C12: absent and null keep what was; the rest replaces it.
#[test]
fn options_are_merged() {
    let mut options = merged(
        r#"{"verbose":false,"user":"ann","pass":"x","protocol":1,"sig":"s","jwt":"j","nkey":"n","auth_token":"t"}"#,
    );
    options.merge(br#"{"user":"bob","pass":null,"protocol":null,"echo":false,"name":""}"#).unwrap();
    assert!(!options.verbose && !options.echo && options.pedantic);
    let texts =
        [&options.user, &options.pass, &options.sig, &options.jwt, &options.nkey, &options.auth_token, &options.name];
    assert_eq!(texts.map(|text| text.as_deref().unwrap()), ["bob", "x", "s", "j", "n", "t", ""]);
    assert_eq!(options.protocol, 1);
    options.merge(b"null").unwrap();
    assert_eq!(options.user.as_deref(), Some("bob"));
}

#[test]
fn keys_are_known_in_any_case_and_the_last_one_counts() {
    for json in [
        r#"{"VERBOSE":false}"#,
        r#"{"Verbose":false}"#,
        r#"{"verbo\u0073e":false}"#,
        r#"{"verboſe":false}"#,
        "\t{ \"verbose\"\t:\rfalse }  ",
        r#"{"verbose":true,"verbose":false}"#,
        r#"{"VERBOSE":true,"verbose":false}"#,
        r#"{"verbose":true,"VERBOSE":false}"#,
    ] {
        assert!(!merged(json).verbose, "{json}");
    }
    for json in [r#"{"no-responders":true}"#, r#"{"noresponders":true}"#, r#"{"no_responders ":true}"#] {
        assert_eq!(merged(json), Connect::default(), "{json}");
    }
}

#[test]
fn unknown_keys_are_skipped_however_deep() {
    let deep = format!("{{\"x\":{}{},\"verbose\":false}}", "[".repeat(1_900), "]".repeat(1_900));
    assert!(!merged(&deep).verbose);
    assert!(
        !merged(r#"{"x":{"verbose":true},"y":[{}],"import":{"allow":["a",null],"z":1},"export":null,"verbose":false}"#)
            .verbose
    );
    assert_eq!(answer(format!("CONNECT {deep}\r\nPING\r\n")), "PONG\r\n");
}

/// As Go does: an invalid character becomes U+FFFD.
#[test]
fn bad_characters_are_replaced() {
    let name = |json: &[u8]| {
        let mut options = Connect::default();
        options.merge(json).unwrap();
        options.name.unwrap()
    };
    assert_eq!(name(b"{\"name\":\"a\xff\xfe\xe2\x82\"}"), "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(name(br#"{"name":"\ud800"}"#), "\u{fffd}");
    assert_eq!(name(br#"{"name":"\udc00x\ud800\u0041"}"#), "\u{fffd}x\u{fffd}A");
    assert_eq!(name(br#"{"name":"\ud83d\ude00\\ud800"}"#), "😀\\ud800");
    assert_eq!(name(br#"{"name":"\"\\\/\b\f\n\r\t"}"#), "\"\\/\u{8}\u{c}\n\r\t");
    // Text that only looks like an escape is refused, as in Go.
    assert!(Connect::default().merge("{\"name\":\"\\ud8€\"}".as_bytes()).is_err());
    assert!(Connect::default().merge(br#"{"name":"\ud800\"}"#).is_err());
}

#[test]
fn an_integer_is_one() {
    assert_eq!(merged(r#"{"protocol":-0}"#).protocol, 0);
    assert_eq!(merged(r#"{"protocol":-9223372036854775808}"#).protocol, i64::MIN);
    for number in ["9223372036854775808", "1.5", "1e0", "01", "\"1\"", "true", "[1]"] {
        let json = format!("{{\"protocol\":{number}}}");
        assert!(Connect::default().merge(json.as_bytes()).is_err(), "{json}");
    }
}

/// The blanks behind CONNECT may be missing; its line may begin with anything, even with a line end.
#[test]
fn the_line_of_connect() {
    for line in
        ["CONNECT{\"verbose\":false}\r\n", "CONNECT\n{\"verbose\":false}\r\n", "connect \t {\"verbose\":false} \t \n"]
    {
        assert_eq!(answer(format!("{line}PING\r\n")), "PONG\r\n", "{line:?}");
    }
    assert_eq!(answer("CONNECT null\r\nPING\r\n"), "+OK\r\nPONG\r\n");
}

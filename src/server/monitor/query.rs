//! Parameters of a request, read as nats-server reads them, with its words where they can't be (M1).

use super::{ConnState, ShowSubscriptions};
use crate::protocol::Quoted;

/// The parameters of a URL. Those that are not well encoded are left away; of several with one name the first counts.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// From what follows the question mark.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.contains(';')).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        Query(pairs.collect())
    }

    /// Empty if it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// False if it is not there.
    pub(crate) fn boolean(&self, name: &str) -> Result<bool, String> {
        match self.text(name) {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            text => Err(refuse("boolean", name, "ParseBool", text, "invalid syntax")),
        }
    }

    /// 0 if it is not there or negative.
    pub(crate) fn count(&self, name: &str) -> Result<usize, String> {
        self.integer(name).map(|number| usize::try_from(number).unwrap_or(0))
    }

    /// 0 if it is not there.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, String> {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let text = self.text(name);
        match text.parse::<i64>() {
            _ if text.is_empty() => Ok(0),
            Ok(number) => Ok(number),
            Err(error) if matches!(error.kind(), PosOverflow | NegOverflow) => {
                Err(refuse("int", name, "Atoi", text, "value out of range"))
            }
            Err(_) => Err(refuse("int", name, "Atoi", text, "invalid syntax")),
        }
    }

    /// 0 if it is not there.
    pub(crate) fn unsigned(&self, name: &str) -> Result<u64, String> {
        let text = self.text(name);
        match text.parse::<u64>() {
            _ if text.is_empty() => Ok(0),
            Ok(number) if !text.starts_with('+') => Ok(number),
            Err(error) if *error.kind() == std::num::IntErrorKind::PosOverflow && !text.starts_with('+') => {
                Err(refuse("uint64", name, "ParseUint", text, "value out of range"))
            }
            _ => Err(refuse("uint64", name, "ParseUint", text, "invalid syntax")),
        }
    }

    /// `state`.
    pub(crate) fn state(&self) -> Result<ConnState, String> {
        let text = self.text("state");
        match text.to_ascii_lowercase().as_str() {
            "" | "open" => Ok(ConnState::Open),
            "closed" => Ok(ConnState::Closed),
            "any" | "all" => Ok(ConnState::All),
            _ => Err(format!("Error decoding state for {text}")),
        }
    }

    /// `subs`.
    pub(crate) fn subscriptions(&self) -> Result<ShowSubscriptions, String> {
        if self.text("subs").eq_ignore_ascii_case("detail") {
            return Ok(ShowSubscriptions::Detail);
        }
        Ok(if self.boolean("subs")? { ShowSubscriptions::List } else { ShowSubscriptions::Count })
    }
}

fn refuse(kind: &str, name: &str, function: &str, text: &str, why: &str) -> String {
    format!("Error decoding {kind} for '{name}': strconv.{function}: parsing {}: {why}", Quoted(text.to_owned()))
}

/// Takes `%41` and `+` apart; `None` if a percent sign is not followed by two hexadecimal digits.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, more) = rest.split_at_checked(2)?;
                rest = more;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(digits[0])? * 16 + digit(digits[1])?) as u8
            }
            byte => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_well_encoded_and_leaves_the_rest_away() {
        let query = Query::parse("a=1&b=x+y%26&%zz=1&c=%4&d&a=2&e;f=3&acc=%24G");
        let found = ["a", "b", "c", "d", "e", "acc"].map(|name| query.text(name));
        assert_eq!(found, ["1", "x y&", "", "", "", "$G"]);
        assert_eq!(Query::parse("").text(""), "");
    }

    /// The words of nats-server 2.15.1 (M1).
    #[test]
    fn refuses_in_the_servers_words() {
        let count = |text: &str| Query::parse(&format!("limit={text}")).count("limit");
        assert_eq!(
            count("x").unwrap_err(),
            r#"Error decoding int for 'limit': strconv.Atoi: parsing "x": invalid syntax"#
        );
        let big = "99999999999999999999";
        let text = format!(r#"Error decoding int for 'limit': strconv.Atoi: parsing "{big}": value out of range"#);
        assert_eq!(count(big).unwrap_err(), text);
        assert_eq!(
            count("+5").unwrap_err(),
            r#"Error decoding int for 'limit': strconv.Atoi: parsing " 5": invalid syntax"#
        );
        assert_eq!([count("7"), count("-5"), count("%2B5"), count("")], [Ok(7), Ok(0), Ok(5), Ok(0)]);

        let cid = |text: &str| Query::parse(&format!("cid={text}")).unsigned("cid");
        let refused = r#"Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax"#;
        assert_eq!(cid("-1").unwrap_err(), refused);
        assert!(cid("%2B1").unwrap_err().ends_with(r#"parsing "+1": invalid syntax"#));
        assert!(cid("18446744073709551616").unwrap_err().ends_with("value out of range"));
        assert_eq!(cid("18446744073709551615"), Ok(u64::MAX));

        let subs = |text: &str| Query::parse(&format!("subs={text}")).subscriptions();
        let refused = r#"Error decoding boolean for 'subs': strconv.ParseBool: parsing "maybe": invalid syntax"#;
        assert_eq!(subs("maybe").unwrap_err(), refused);
        assert_eq!(subs("DETAIL"), Ok(ShowSubscriptions::Detail));
        assert_eq!([subs("1"), subs("T")], [Ok(ShowSubscriptions::List), Ok(ShowSubscriptions::List)]);
        assert_eq!([subs("0"), subs("")], [Ok(ShowSubscriptions::Count), Ok(ShowSubscriptions::Count)]);

        let state = |text: &str| Query::parse(&format!("state={text}")).state();
        assert_eq!(state("bogus").unwrap_err(), "Error decoding state for bogus");
        assert_eq!(
            [state(""), state("ANY"), state("closed")],
            [Ok(ConnState::Open), Ok(ConnState::All), Ok(ConnState::Closed)]
        );
    }
}

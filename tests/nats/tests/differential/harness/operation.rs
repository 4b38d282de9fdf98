//! The operations of a client, legal or not, and their bytes.

use super::profile::Profile;

/// Subscriptions with these sids are members of a queue group that others share; which of them gets a message is luck. They never
/// have a limit, because then luck would show in later steps (Q8).
pub(crate) const SHARED: [(&str, &str); 3] = [("7", "g"), ("8", "h"), ("9", "g")];

/// The queue groups of the sids 5 and 6, by connection: each has one member only. Their names have something about them (S5, P6).
pub(crate) const ALONE: [[&str; 2]; 4] = [["v1", "q."], ["v2", "*"], ["v1.x", ">"], ["q..x", ".q"]];

/// How a line is written: all of it is legal (C5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) case: Case,
    /// Between the words.
    pub(crate) blank: Blank,
    /// A blank before the end of the line.
    pub(crate) trailing: bool,
    /// The line ends in LF alone.
    pub(crate) bare: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    Upper,
    Lower,
    Mixed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Blank {
    #[default]
    Space,
    Tab,
    Many,
}

impl Style {
    fn line(self, words: &[&str]) -> Vec<u8> {
        let mut line = match self.case {
            Case::Upper => words[0].to_owned(),
            Case::Lower => words[0].to_lowercase(),
            Case::Mixed => {
                let odd = |(at, c): (usize, char)| if at % 2 == 1 { c.to_ascii_lowercase() } else { c };
                words[0].chars().enumerate().map(odd).collect()
            }
        };
        let blank = match self.blank {
            Blank::Space => " ",
            Blank::Tab => "\t",
            Blank::Many => " \t  ",
        };
        for word in &words[1..] {
            line.push_str(blank);
            line.push_str(word);
        }
        if self.trailing {
            line.push(' ');
        }
        line.push_str(if self.bare { "\n" } else { "\r\n" });
        line.into_bytes()
    }
}

/// The options of a CONNECT; `None` is an absent key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) verbose: Option<bool>,
    pub(crate) pedantic: Option<bool>,
    pub(crate) echo: Option<bool>,
    pub(crate) headers: Option<bool>,
    pub(crate) no_responders: Option<bool>,
    pub(crate) protocol: Option<i32>,
    /// Which of the profile's logins.
    pub(crate) login: Option<usize>,
}

impl Connect {
    fn json(&self, profile: &Profile) -> String {
        let mut keys = Vec::new();
        let flags = [
            ("verbose", self.verbose),
            ("pedantic", self.pedantic),
            ("echo", self.echo),
            ("headers", self.headers),
            ("no_responders", self.no_responders),
        ];
        keys.extend(flags.iter().filter_map(|(key, value)| value.map(|value| format!("\"{key}\":{value}"))));
        keys.extend(self.protocol.map(|protocol| format!("\"protocol\":{protocol}")));
        keys.extend(self.login.and_then(|login| profile.login(login)).map(str::to_owned));
        format!("{{{}}}", keys.join(","))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Empty,
    /// Says which message of the sequence it is.
    Numbered,
    /// Holds what looks like the end of a payload, and an operation.
    Misleading,
    /// As many bytes as are allowed, plus this.
    Limit(i32),
    Bytes(u16),
}

impl Payload {
    fn bytes(&self, number: usize, allowed: usize) -> Vec<u8> {
        match *self {
            Payload::Empty => Vec::new(),
            Payload::Numbered => format!("m{number}").into_bytes(),
            Payload::Misleading => format!("m{number}\r\nPING\r\n").into_bytes(),
            Payload::Limit(more) => vec![b'x'; allowed.saturating_add_signed(more as isize)],
            Payload::Bytes(count) => vec![b'y'; usize::from(count)],
        }
    }
}

/// The queue group of a SUB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    None,
    /// The group that `SHARED` has for the sid.
    Shared,
    /// The group that `ALONE` has for the connection and the sid.
    Alone,
}

impl Queue {
    fn name(self, connection: usize, sid: &str) -> Option<&'static str> {
        match self {
            Queue::None => None,
            Queue::Shared => SHARED.iter().find(|(shared, _)| *shared == sid).map(|(_, group)| *group),
            Queue::Alone => Some(ALONE[connection][usize::from(sid == "6")]),
        }
    }
}

/// Where an operation is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Unique in the sequence.
    pub(crate) number: usize,
    pub(crate) connection: usize,
    pub(crate) profile: &'a Profile,
}

/// One thing that a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Connect(Connect, Style),
    /// CONNECT with these arguments.
    ConnectRaw(&'static str),
    Sub {
        subject: String,
        queue: Queue,
        sid: String,
        style: Style,
    },
    Unsub {
        sid: String,
        max: Option<&'static str>,
        style: Style,
    },
    /// `zeros` stand in front of the size; `over` is by how much the size is wrong.
    Pub {
        subject: String,
        reply: Option<String>,
        payload: Payload,
        zeros: usize,
        over: i32,
        style: Style,
    },
    HPub {
        subject: String,
        reply: Option<String>,
        header: &'static str,
        payload: Payload,
        zeros: usize,
        style: Style,
    },
    Ping(&'static str, Style),
    Pong,
    /// Any other line.
    Line(&'static str),
    /// A SUB whose arguments have as many bytes as are allowed, plus this.
    Long(i32),
    /// An operation with bytes of it changed. Its effect on the parser cannot be known, so it is the last of its connection: the
    /// client ends its side behind it, so that the server must come to an end too.
    Wild {
        base: Box<Op>,
        changes: Vec<(usize, u8)>,
    },
}

impl Op {
    pub(crate) fn bytes(&self, place: Place<'_>) -> Vec<u8> {
        let Place { number, profile, .. } = place;
        match self {
            Op::Connect(connect, style) => style.line(&["CONNECT", &connect.json(profile)]),
            Op::ConnectRaw(arguments) => format!("CONNECT {arguments}\r\n").into_bytes(),
            Op::Sub { subject, queue, sid, style } => match queue.name(place.connection, sid) {
                None => style.line(&["SUB", subject, sid]),
                Some(queue) => style.line(&["SUB", subject, queue, sid]),
            },
            Op::Unsub { sid, max: None, style } => style.line(&["UNSUB", sid]),
            Op::Unsub { sid, max: Some(max), style } => style.line(&["UNSUB", sid, max]),
            Op::Pub { subject, reply, payload, zeros, over, style } => {
                let payload = payload.bytes(number, profile.max_payload);
                let size = "0".repeat(*zeros) + &payload.len().saturating_add_signed(*over as isize).to_string();
                let mut bytes = match reply {
                    None => style.line(&["PUB", subject, &size]),
                    Some(reply) => style.line(&["PUB", subject, reply, &size]),
                };
                bytes.extend(payload);
                bytes.extend(b"\r\n");
                bytes
            }
            Op::HPub { subject, reply, header, payload, zeros, style } => {
                let payload = payload.bytes(number, profile.max_payload.saturating_sub(header.len()));
                let zeros = "0".repeat(*zeros);
                let size = format!("{zeros}{}", header.len());
                let total = format!("{zeros}{}", header.len() + payload.len());
                let mut bytes = match reply {
                    None => style.line(&["HPUB", subject, &size, &total]),
                    Some(reply) => style.line(&["HPUB", subject, reply, &size, &total]),
                };
                bytes.extend(header.as_bytes());
                bytes.extend(payload);
                bytes.extend(b"\r\n");
                bytes
            }
            Op::Ping(junk, style) => style.line(&[&format!("PING{junk}")]),
            Op::Pong => b"PONG\r\n".to_vec(),
            Op::Line(line) => format!("{line}\r\n").into_bytes(),
            Op::Long(more) => {
                let subject = "s".repeat(profile.max_control_line.saturating_add_signed(*more as isize) - 2);
                format!("SUB {subject} 1\r\n").into_bytes()
            }
            Op::Wild { base, changes } => {
                let mut bytes = base.bytes(place);
                for (at, byte) in changes {
                    let at = at % bytes.len();
                    bytes[at] = *byte;
                }
                only_line_ends(&bytes)
            }
        }
    }

    /// How many PONGs it brings, if the connection is in order.
    pub(crate) fn pongs(&self) -> usize {
        usize::from(matches!(self, Op::Ping(..)))
    }

    /// Nothing may follow it on its connection.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Op::Wild { .. })
    }
}

/// Takes out each CR that is not followed by LF. The real server's reading of one within a line depends on where its reads happen
/// to end.
fn only_line_ends(bytes: &[u8]) -> Vec<u8> {
    let kept = |at: &usize| bytes[*at] != b'\r' || bytes.get(at + 1) == Some(&b'\n');
    (0..bytes.len()).filter(kept).map(|at| bytes[at]).collect()
}

/// Operations that one connection sends at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// From 0.
    pub(crate) connection: usize,
    pub(crate) ops: Vec<Op>,
    /// Where the bytes are split into several writes: fractions of their length in 65,536ths.
    pub(crate) cuts: Vec<u16>,
    /// The client ends its side afterwards.
    pub(crate) end: bool,
}

/// The work that a server is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// How each connection begins, whenever it is opened.
    pub(crate) greetings: Vec<Option<Op>>,
    pub(crate) steps: Vec<Step>,
}

impl Sequence {
    /// All operations, those that open connections counted once.
    pub(crate) fn operations(&self) -> usize {
        self.greetings.iter().flatten().count() + self.steps.iter().map(|step| step.ops.len()).sum::<usize>()
    }
}

//! A host that writes down what it is asked to do, and a session on it.

use bytes::BytesMut;
use postroom::protocol::{
    Connect, DisconnectReason, ProtocolError, Publish, Quoted, Session, SessionHandler, SessionOptions, Subscribe,
};
use std::time::Duration;

/// An event at the session's host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// Adjacent ones are one.
    Sent(String),
    Connect(Box<Connect>),
    Permit(String),
    Publish {
        subject: String,
        reply: Option<String>,
        headers: Option<Vec<u8>>,
        payload: Vec<u8>,
    },
    Subscribe {
        subject: String,
        queue: Option<String>,
        sid: Vec<u8>,
    },
    Unsubscribe {
        sid: Vec<u8>,
        max: Option<u64>,
    },
    UnsubscribeAll,
}

/// Refuses what lies below `no.`, connections of `mallory`, and subscriptions that are no patterns.
#[derive(Debug, Default)]
pub(crate) struct Scribe {
    pub(crate) events: Vec<Event>,
}

impl Scribe {
    /// All that went to the peer; bytes that are no text are shown as `\xff`.
    pub(crate) fn sent(&self) -> String {
        self.events
            .iter()
            .filter_map(|event| if let Event::Sent(text) = event { Some(&**text) } else { None })
            .collect()
    }

    /// Takes what went to the peer since the last time.
    pub(crate) fn take_sent(&mut self) -> String {
        let sent = self.sent();
        self.events.clear();
        sent
    }
}

impl SessionHandler for Scribe {
    fn send(&mut self, bytes: &[u8]) {
        let text = String::from_utf8(bytes.to_vec()).expect("this host sends texts");
        match self.events.last_mut() {
            Some(Event::Sent(sent)) => sent.push_str(&text),
            _ => self.events.push(Event::Sent(text)),
        }
    }

    fn info(&mut self, connect_info: bool) -> Vec<u8> {
        format!("INFO {connect_info} \r\n").into_bytes()
    }

    fn connect(&mut self, options: &Connect) -> Result<(), ProtocolError> {
        self.events.push(Event::Connect(Box::new(options.clone())));
        if options.user.as_deref() == Some("mallory") { Err(ProtocolError::Authorization) } else { Ok(()) }
    }

    fn check_publish(&mut self, subject: &str, _: Option<&str>) -> Result<(), ProtocolError> {
        self.events.push(Event::Permit(subject.to_owned()));
        if subject.starts_with("no.") {
            Err(ProtocolError::PublishPermission(Quoted(subject.to_owned())))
        } else {
            Ok(())
        }
    }

    fn publish(&mut self, message: Publish<'_>) -> Result<(), ProtocolError> {
        self.events.push(Event::Publish {
            subject: message.subject.to_owned(),
            reply: message.reply.map(str::to_owned),
            headers: message.headers.map(|headers| headers.as_slice().to_vec()),
            payload: message.payload.as_slice().to_vec(),
        });
        let subject = message.subject;
        if subject.starts_with("no.") {
            Err(ProtocolError::PublishPermission(Quoted(subject.to_owned())))
        } else {
            Ok(())
        }
    }

    fn subscribe(&mut self, interest: Subscribe<'_>) -> Result<(), ProtocolError> {
        self.events.push(Event::Subscribe {
            subject: interest.subject.to_owned(),
            queue: interest.queue.map(str::to_owned),
            sid: interest.sid.to_vec(),
        });
        if interest.subject.split('.').any(str::is_empty) { Err(ProtocolError::SubscribeSubject) } else { Ok(()) }
    }

    fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>) {
        self.events.push(Event::Unsubscribe { sid: sid.to_vec(), max });
    }

    fn unsubscribe_all(&mut self) {
        self.events.push(Event::UnsubscribeAll);
    }
}

/// A session and what it read and did.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) host: Scribe,
    pub(crate) session: Session,
    pub(crate) input: BytesMut,
    pub(crate) end: Result<(), DisconnectReason>,
}

impl Peer {
    pub(crate) fn new(options: SessionOptions) -> Self {
        let session = Session::new(options, Duration::ZERO);
        Peer { host: Scribe::default(), session, input: BytesMut::new(), end: Ok(()) }
    }

    /// A session that has read all this, in these pieces; those behind its end are not read.
    pub(crate) fn that_read<'a>(options: SessionOptions, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut peer = Peer::new(options);
        for piece in pieces {
            if peer.read(piece, Duration::ZERO).is_err() {
                break;
            }
        }
        peer
    }

    pub(crate) fn read(&mut self, piece: &[u8], now: Duration) -> Result<(), DisconnectReason> {
        self.input.extend_from_slice(piece);
        self.end = self.session.handle_input(&mut self.input, now, &mut self.host);
        self.end
    }

    /// The bytes that went to the peer, and `EOF` if the connection is then closed.
    pub(crate) fn transcript(&self) -> String {
        self.host.sent() + if self.end.is_err() { "EOF" } else { "" }
    }
}

/// The answer of a default session.
pub(crate) fn answer(input: impl AsRef<[u8]>) -> String {
    Peer::that_read(SessionOptions::default(), [input.as_ref()]).transcript()
}

/// CONNECT of a peer that wants to hear as little as possible.
pub(crate) const QUIET: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n";

/// The answer of a session after [`QUIET`].
pub(crate) fn quiet(input: impl AsRef<[u8]>) -> String {
    Peer::that_read(SessionOptions::default(), [QUIET.as_bytes(), input.as_ref()]).transcript()
}

pub(crate) fn with_auth() -> SessionOptions {
    let mut options = SessionOptions::default();
    options.auth_required = true;
    options
}

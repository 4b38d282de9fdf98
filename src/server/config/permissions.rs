//! The permissions of a user, in all the forms that a configuration has for them (P2, P6, P7).

use super::problem::ConfigErrorKind;
use super::table::{Reader, Row, Support, row, sets};
use super::value::{Data, Entry};
use crate::error::SubjectError;
use crate::{AllowResponses, Pattern, Permissions};
use std::time::Duration;

#[derive(Default)]
pub(super) struct ConfigBuilder {
    publish: Lists,
    subscribe: Lists,
    responses: Option<AllowResponses>,
}

#[derive(Default)]
pub(super) struct Lists {
    allow: Vec<Item>,
    deny: Vec<Item>,
}

/// A pattern, and the queue groups that it is about (P6).
type Item = (Pattern, Option<String>);

pub(super) static PERMISSIONS: &[Row<ConfigBuilder>] = &[
    row(&["publish", "pub", "import"], Support::Supported(publish), ""),
    row(&["subscribe", "sub", "export"], Support::Supported(subscribe), ""),
    row(&["allow_responses", "publish_allow_responses"], Support::Supported(responses), ""),
];

static PUBLISH: &[Row<Lists>] = &[
    row(&["allow"], sets!(|_, entry| allow = items(entry, false)?), ""),
    row(&["deny"], sets!(|_, entry| deny = items(entry, false)?), ""),
];

static SUBSCRIBE: &[Row<Lists>] = &[
    row(&["allow"], sets!(|_, entry| allow = items(entry, true)?), ""),
    row(&["deny"], sets!(|_, entry| deny = items(entry, true)?), ""),
];

static RESPONSES: &[Row<AllowResponses>] = &[
    row(&["max", "max_msgs", "max_messages", "max_responses"], Support::Supported(max), ""),
    row(&["expires", "expiration", "ttl"], Support::Supported(expires), ""),
];

pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Result<Permissions, ConfigErrorKind> {
    let mut builder = ConfigBuilder::default();
    reader.read(entry.map()?, PERMISSIONS, &mut builder);
    let (publish, subscribe) = (builder.publish, builder.subscribe);
    let listed = || {
        let mut permissions = Permissions::new();
        for (pattern, _) in publish.allow {
            permissions = permissions.allow_publish(pattern)?;
        }
        for (pattern, _) in publish.deny {
            permissions = permissions.deny_publish(pattern)?;
        }
        for (pattern, queue) in subscribe.allow {
            permissions = match queue {
                Some(queue) => permissions.allow_queue_subscribe(pattern, queue)?,
                None => permissions.allow_subscribe(pattern)?,
            };
        }
        for (pattern, queue) in subscribe.deny {
            permissions = match queue {
                Some(queue) => permissions.deny_queue_subscribe(pattern, queue)?,
                None => permissions.deny_subscribe(pattern)?,
            };
        }
        Ok::<_, SubjectError>(permissions)
    };
    let permissions = listed().expect("the patterns were checked when they were read");
    Ok(builder.responses.into_iter().fold(permissions, Permissions::allow_responses))
}

fn publish(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    builder.publish = lists(reader, entry, PUBLISH, false)?;
    Ok(())
}

fn subscribe(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    builder.subscribe = lists(reader, entry, SUBSCRIBE, true)?;
    Ok(())
}

/// `{allow, deny}`; or only what is allowed.
fn lists(reader: &mut Reader<'_>, entry: &Entry, rows: &[Row<Lists>], queues: bool) -> Result<Lists, ConfigErrorKind> {
    if let Data::Map(map) = &entry.value.data {
        let mut lists = Lists::default();
        reader.read(map, rows, &mut lists);
        return Ok(lists);
    }
    Ok(Lists { allow: items(entry, queues)?, deny: Vec::new() })
}

/// A subject, or several.
fn items(entry: &Entry, queues: bool) -> Result<Vec<Item>, ConfigErrorKind> {
    let subjects = entry.value.strings().ok_or_else(|| entry.wrong("a subject or an array of subjects"))?;
    subjects.into_iter().map(|text| item(entry, text, queues)).collect()
}

fn item(entry: &Entry, text: &str, queues: bool) -> Result<Item, ConfigErrorKind> {
    let refused = |text: &str, why: String| Err(entry.invalid(format!("{text:?} is not a valid {why}")));
    let why = match pattern(text) {
        Ok(pattern) => return Ok((pattern, None)),
        Err(why) => why,
    };
    let words: Vec<_> = text.split_whitespace().collect();
    match words[..] {
        [subject, queue] if queues => match (pattern(subject), pattern(queue)) {
            (Ok(pattern), Ok(queue)) => Ok((pattern, Some(queue.as_str().to_owned()))),
            (Err(why), _) => refused(subject, format!("subject: {why}")),
            (_, Err(why)) => refused(queue, format!("queue: {why}")),
        },
        _ => refused(text, format!("subject: {why}")),
    }
}

fn pattern(text: &str) -> Result<Pattern, String> {
    if text.contains('\u{c}') {
        return Err("it holds a form feed".to_owned());
    }
    Pattern::new(text).map_err(|error| error.to_string())
}

fn responses(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    builder.responses = match &entry.value.data {
        Data::Boolean(allowed) => allowed.then(AllowResponses::default),
        Data::Map(map) => {
            let mut responses = AllowResponses::default();
            reader.read(map, RESPONSES, &mut responses);
            Some(responses)
        }
        _ => return Err(entry.wrong("a boolean or a map")),
    };
    Ok(())
}

/// Zero is the default, and what is negative has no bound.
fn max(_: &mut Reader<'_>, responses: &mut AllowResponses, entry: &Entry) -> Result<(), ConfigErrorKind> {
    match entry.integer()? {
        0 => {}
        max => responses.max = u64::try_from(max).ok(),
    }
    Ok(())
}

/// As for `max`.
fn expires(_: &mut Reader<'_>, responses: &mut AllowResponses, entry: &Entry) -> Result<(), ConfigErrorKind> {
    match entry.nanos("a duration such as \"2m\"")? {
        0 => {}
        nanos => responses.expires = u64::try_from(nanos).map_or(Duration::ZERO, Duration::from_nanos),
    }
    Ok(())
}

//! Where a value stands in a request or an answer, as a mapping file writes it: `/job/id` in the body, `path:id`,
//! `query:stage`, `header:X-Key`. In the body `*` stands for each element of an array.

use std::fmt;

use serde_json::Value;

/// A part of a message that holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum MessageArea {
    Body,
    Path,
    Query,
    Header,
}

/// One step down into a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum PlaceStep {
    Member(String),
    Index(usize),
    /// Each element of an array; in rules alone.
    AnyIndex,
}

/// A place in a message; one of a rule may hold `AnyIndex`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct MessagePlace {
    pub(super) area: MessageArea,
    pub(super) steps: Vec<PlaceStep>,
}

/// A value that holds no other, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MessageLeaf {
    pub(super) place: MessagePlace,
    pub(super) value: Value,
}

impl MessagePlace {
    pub(super) fn named(area: MessageArea, name: &str) -> MessagePlace {
        MessagePlace {
            area,
            steps: vec![PlaceStep::Member(name.to_owned())],
        }
    }

    pub(super) fn parse(text: &str) -> Result<MessagePlace, String> {
        let named = |area, name: &str| match name.is_empty() {
            true => Err(format!("`{text}` names nothing")),
            false => Ok(MessagePlace::named(area, name)),
        };
        if let Some(pointer) = text.strip_prefix('/') {
            let steps = pointer.split('/').map(step).collect::<Vec<_>>();
            return match steps.iter().any(|step| *step == PlaceStep::Member(String::new())) {
                true => Err(format!("`{text}` has an empty step")),
                false => Ok(MessagePlace {
                    area: MessageArea::Body,
                    steps,
                }),
            };
        }
        match text.split_once(':') {
            Some(("path", name)) => named(MessageArea::Path, name),
            Some(("query", name)) => named(MessageArea::Query, name),
            Some(("header", name)) => named(MessageArea::Header, &name.to_ascii_lowercase()),
            _ => Err(format!(
                "`{text}` is no place: write `/member/member` for the body, `path:NAME`, `query:NAME` or `header:NAME`"
            )),
        }
    }

    /// What is left of `place` below this one, and the indices that its `*` stand for; none where it is elsewhere.
    pub(super) fn prefix_of<'a>(&self, place: &'a MessagePlace) -> Option<(&'a [PlaceStep], Vec<usize>)> {
        if self.area != place.area || self.steps.len() > place.steps.len() {
            return None;
        }
        let mut indices = Vec::new();
        for (wanted, there) in self.steps.iter().zip(&place.steps) {
            match (wanted, there) {
                (PlaceStep::AnyIndex, PlaceStep::Index(index)) => indices.push(*index),
                (wanted, there) if wanted == there => {}
                _ => return None,
            }
        }
        Some((&place.steps[self.steps.len()..], indices))
    }

    /// This place with the indices in the order of its `*`, and the rest below it.
    pub(super) fn filled(&self, indices: &[usize], rest: Vec<PlaceStep>) -> MessagePlace {
        let mut indices = indices.iter();
        let mut steps: Vec<_> = self
            .steps
            .iter()
            .map(|step| match step {
                PlaceStep::AnyIndex => PlaceStep::Index(indices.next().copied().unwrap_or_default()),
                other => other.clone(),
            })
            .collect();
        steps.extend(rest);
        MessagePlace {
            area: self.area,
            steps,
        }
    }

    /// The name of the member that the value belongs to; elements belong to their array's.
    pub(super) fn member(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match step {
            PlaceStep::Member(name) => Some(name.as_str()),
            PlaceStep::Index(_) | PlaceStep::AnyIndex => None,
        })
    }

    pub(super) fn wildcards(&self) -> usize {
        let is_any = |step: &&PlaceStep| **step == PlaceStep::AnyIndex;
        self.steps.iter().filter(is_any).count()
    }
}

impl fmt::Display for MessagePlace {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = match self.area {
            MessageArea::Body => "",
            MessageArea::Path => "path:",
            MessageArea::Query => "query:",
            MessageArea::Header => "header:",
        };
        to.write_str(area)?;
        let separator = if self.area == MessageArea::Body { "/" } else { "" };
        for step in &self.steps {
            match step {
                PlaceStep::Member(name) => write!(to, "{separator}{name}")?,
                PlaceStep::Index(index) => write!(to, "{separator}{index}")?,
                PlaceStep::AnyIndex => write!(to, "{separator}*")?,
            }
        }
        Ok(())
    }
}

fn step(text: &str) -> PlaceStep {
    match text {
        "*" => PlaceStep::AnyIndex,
        // RFC 6901 writes these two so in a pointer.
        name => PlaceStep::Member(name.replace("~1", "/").replace("~0", "~")),
    }
}

/// The leaves of a body, in order.
pub(super) fn leaves_of(body: &Value) -> Vec<MessageLeaf> {
    let mut leaves = Vec::new();
    let mut open = vec![(Vec::new(), body)];
    while let Some((steps, value)) = open.pop() {
        let inner: Vec<(PlaceStep, &Value)> = match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (PlaceStep::Member(name.clone()), value))
                .collect(),
            Value::Array(elements) => elements
                .iter()
                .enumerate()
                .map(|(index, value)| (PlaceStep::Index(index), value))
                .collect(),
            _ => Vec::new(),
        };
        if inner.is_empty() {
            let area = MessageArea::Body;
            let place = MessagePlace { area, steps };
            let value = value.clone();
            leaves.push(MessageLeaf { place, value });
            continue;
        }
        for (step, value) in inner.into_iter().rev() {
            let steps = steps.iter().cloned().chain([step]).collect();
            open.push((steps, value));
        }
    }
    leaves
}

/// Puts a value into a body, with the objects and arrays that lead to it.
pub(super) fn put(body: &mut Value, steps: &[PlaceStep], value: Value) {
    let Some((first, rest)) = steps.split_first() else {
        // An empty container takes nothing away from what stands there.
        let is_empty_container = matches!(&value, Value::Object(members) if members.is_empty());
        if !(is_empty_container && body.is_object()) {
            *body = value;
        }
        return;
    };
    match first {
        PlaceStep::Member(name) => {
            if !body.is_object() {
                *body = Value::Object(serde_json::Map::new());
            }
            if let Some(members) = body.as_object_mut() {
                put(members.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        PlaceStep::Index(index) => {
            if !body.is_array() {
                *body = Value::Array(Vec::new());
            }
            if let Some(elements) = body.as_array_mut() {
                while elements.len() <= *index {
                    elements.push(Value::Null);
                }
                put(&mut elements[*index], rest, value);
            }
        }
        PlaceStep::AnyIndex => {}
    }
}

//! A path with places for values: `/api/jobs/{id}/reports`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in a path or a query as it is (RFC 3986, unreserved).
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path with places for values, at most one in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathTemplate {
    segments: Vec<PathSegment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathSegment {
    Literal(String),
    Value {
        before: String,
        name: String,
        after: String,
    },
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Result<PathTemplate, String> {
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| format!("`{text}` is no path: it begins with `/`"))?;
        if rest.contains(['?', '#']) {
            return Err(format!(
                "`{text}`: a path has no query; write `query:NAME` for a place in it"
            ));
        }
        let segments = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let template = PathTemplate { segments };
        let mut names: Vec<_> = template.names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        match names.len() == count {
            true => Ok(template),
            false => Err(format!("`{text}` has a place twice")),
        }
    }

    /// The names of its places.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            PathSegment::Value { name, .. } => Some(name.as_str()),
            PathSegment::Literal(_) => None,
        })
    }

    /// Which segments are the same in every path of it. Of two templates that fit, the one is meant that is greater by
    /// this: `/jobs/{id}` rather than `/{kind}/next`.
    pub(super) fn literals(&self) -> Vec<bool> {
        let is_literal = |segment: &PathSegment| matches!(segment, PathSegment::Literal(_));
        self.segments.iter().map(is_literal).collect()
    }

    /// The values in a path of this template, decoded; none where the path is another.
    pub(super) fn values(&self, path: &str) -> Option<Vec<(String, String)>> {
        let there: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        if there.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (wanted, there) in self.segments.iter().zip(there) {
            match wanted {
                PathSegment::Literal(text) if text == there => {}
                PathSegment::Literal(_) => return None,
                PathSegment::Value { before, name, after } => {
                    let value = there
                        .strip_prefix(before.as_str())?
                        .strip_suffix(after.as_str())?;
                    if value.is_empty() {
                        return None;
                    }
                    let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
                    values.push((name.clone(), value));
                }
            }
        }
        Some(values)
    }

    /// The path with these values; an error names the place that has none.
    pub(super) fn filled(&self, value_of: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                PathSegment::Literal(text) => path.push_str(text),
                PathSegment::Value { before, name, after } => {
                    let value =
                        value_of(name).ok_or_else(|| format!("nothing is there for `path:{name}`"))?;
                    path.push_str(before);
                    path.extend(utf8_percent_encode(&value, RESERVED));
                    path.push_str(after);
                }
            }
        }
        Ok(path)
    }
}

fn segment(text: &str) -> Result<PathSegment, String> {
    let Some((before, rest)) = text.split_once('{') else {
        return match text.contains('}') {
            true => Err(format!("`{text}`: a place is written as {{NAME}}")),
            false => Ok(PathSegment::Literal(text.to_owned())),
        };
    };
    match rest.split_once('}') {
        Some((name, after)) if !name.is_empty() && !after.contains(['{', '}']) => Ok(PathSegment::Value {
            before: before.to_owned(),
            name: name.to_owned(),
            after: after.to_owned(),
        }),
        _ => Err(format!(
            "`{text}`: a segment has one place at most, written as {{NAME}}"
        )),
    }
}

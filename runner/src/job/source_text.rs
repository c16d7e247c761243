//! What the text of the front matter tells, and its values no longer do: how a value is written, and that a comment
//! ends it.

use serde_saphyr::Location;

use super::known_keys::kind_of;

/// The word that begins at this place: a number as it is written, for instance.
pub(super) fn word_at(yaml: &str, place: Location) -> &str {
    let rest = text_at(yaml, place);
    let end = rest.find(|letter: char| letter.is_whitespace() || ",]}".contains(letter));
    &rest[..end.unwrap_or(rest.len())]
}

/// Whether a comment follows the plain scalar of a key: what its author may have meant to be a part of it.
pub(super) fn is_cut_by_comment(yaml: &str, key: Location, place: Location) -> bool {
    let first = rest_of_line(yaml, place);
    let head = value_head(yaml, key);
    // Between quotes it is no comment, and neither is it in a block of lines.
    if first.starts_with(['"', '\'']) || head.starts_with(['|', '>']) {
        return false;
    }
    let further = text_at(yaml, place).lines().skip(1);
    let further = further.take_while(|line| line.starts_with([' ', '\t']));
    let mut lines = std::iter::once(first).chain(further.map(str::trim_start));
    lines.any(|line| line.contains(" #") || line.contains("\t#"))
}

/// The line of a key whose value begins with a tag (`!grep -q x`), which YAML takes off it.
pub(super) fn tagged_line(yaml: &str, key: Location) -> Option<&str> {
    let is_tagged = value_head(yaml, key).starts_with('!');
    is_tagged.then(|| rest_of_line(yaml, key))
}

/// What stands on the line of a key behind it.
fn value_head(yaml: &str, key: Location) -> &str {
    let (_, head) = rest_of_line(yaml, key).split_once(':').unwrap_or_default();
    head.trim_start()
}

/// The line of a known key with its value in quotes, where that is what the line lacks.
pub(super) fn in_quotes(line: &str) -> Option<String> {
    let (key, value) = line.split_once(':')?;
    let value = value.trim();
    let is_bare = !value.is_empty() && !value.starts_with(['"', '\'', '|', '>', '[', '{']);
    (is_bare && kind_of(key).is_some()).then(|| format!("{key}: '{}'", value.replace('\'', "''")))
}

fn rest_of_line(yaml: &str, place: Location) -> &str {
    text_at(yaml, place).lines().next().unwrap_or_default()
}

/// All from this place on. It is found by its offset: a file may have very many places.
fn text_at(yaml: &str, place: Location) -> &str {
    let offset = place.span().byte_offset();
    let offset = offset.and_then(|offset| usize::try_from(offset).ok());
    offset.and_then(|offset| yaml.get(offset..)).unwrap_or_default()
}

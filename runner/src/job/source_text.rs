//! What the text of the front matter tells, and its values no longer do: how a value is written, and that a comment
//! ends it.

use serde_saphyr::Location;

use super::known_keys::kind_of;

/// The word that begins at this place: a number as it is written, for instance.
pub(super) fn word_at(yaml: &str, place: Location) -> &str {
    let rest = rest_of_line(yaml, place);
    let end = rest.find(|letter: char| letter.is_whitespace() || ",]}".contains(letter));
    &rest[..end.unwrap_or(rest.len())]
}

/// Whether a comment follows the plain scalar of a key: what its author may have meant to be a part of it.
pub(super) fn is_cut_by_comment(yaml: &str, key: Location, place: Location) -> bool {
    let first = rest_of_line(yaml, place);
    let head = rest_of_line(yaml, key)
        .split_once(':')
        .map_or("", |(_, head)| head.trim_start());
    // Between quotes it is no comment, and neither is it in a block of lines.
    if first.starts_with(['"', '\'']) || head.starts_with(['|', '>']) {
        return false;
    }
    let further = yaml.lines().skip(index(place.line()) + 1);
    let further = further.take_while(|line| line.starts_with([' ', '\t']));
    let mut lines = std::iter::once(first).chain(further.map(str::trim_start));
    lines.any(|line| line.contains(" #") || line.contains("\t#"))
}

/// The line of a known key with its value in quotes, where that is what the line lacks.
pub(super) fn in_quotes(line: &str) -> Option<String> {
    let (key, value) = line.split_once(':')?;
    let value = value.trim();
    let is_bare = !value.is_empty() && !value.starts_with(['"', '\'', '|', '>', '[', '{']);
    (is_bare && kind_of(key).is_some()).then(|| format!("{key}: '{}'", value.replace('\'', "''")))
}

fn rest_of_line(yaml: &str, place: Location) -> &str {
    let line = yaml.lines().nth(index(place.line())).unwrap_or_default();
    let start = line.char_indices().nth(index(place.column()));
    start.map_or("", |(start, _)| &line[start..])
}

/// Lines and columns are counted from 1.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1)
}

//! The keys that a job file may have, and the nearest one to a slip of the pen.

/// How a key's value is written, which is all that `--set` has to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Switch,
    Number,
    List,
}

const KEYS: [(&str, Kind); 13] = [
    ("engine", Kind::Text),
    ("cwd", Kind::Text),
    ("yolo", Kind::Switch),
    ("lock", Kind::Text),
    ("timeout", Kind::Text),
    ("idle_timeout", Kind::Text),
    ("priority", Kind::Number),
    ("caps", Kind::List),
    ("verify", Kind::Text),
    ("review", Kind::Switch),
    ("ship", Kind::Text),
    ("retries", Kind::Number),
    ("id", Kind::Text),
];

/// A key this close to a known one is taken for a slip of the pen.
const EDITS_MAX: usize = 2;
/// The known key that `key` was probably meant to be.
pub(super) fn near_miss(key: &str) -> Option<&'static str> {
    let (distance, known) = KEYS
        .iter()
        .map(|(known, _)| (strsim::osa_distance(key, known), *known))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= EDITS_MAX).then_some(known)
}

pub(super) fn kind_of(key: &str) -> Option<Kind> {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, kind)| *kind)
}

//! The keys that a job file may have, and the nearest one to a misspelt key.

/// How a key's value is written, which is all that `--set` has to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Text,
    Switch,
    Number,
    List,
}

const KEYS: [(&str, KeyKind); 14] = [
    ("engine", KeyKind::Text),
    ("cwd", KeyKind::Text),
    ("yolo", KeyKind::Switch),
    ("lock", KeyKind::Text),
    ("timeout", KeyKind::Text),
    ("idle_timeout", KeyKind::Text),
    ("priority", KeyKind::Number),
    ("caps", KeyKind::List),
    ("verify", KeyKind::Text),
    ("review", KeyKind::Switch),
    ("ship", KeyKind::Text),
    ("retries", KeyKind::Number),
    ("retry_delay", KeyKind::Text),
    ("id", KeyKind::Text),
];

/// A key this close to a known one is taken for a misspelling.
const EDITS_MAX: usize = 2;
/// A key that is no longer than this is another word after two edits.
const SHORT_KEY_MAX: usize = 4;
/// Nobody is advised to skip the permission questions of an engine.
const NEVER_ADVISED: &str = "yolo";

/// The known key that `key` was probably meant to be.
pub(super) fn nearest_key(key: &str) -> Option<&'static str> {
    let edits_max = |known: &str| match key.chars().count().min(known.len()) {
        0..=SHORT_KEY_MAX => 1,
        _ => EDITS_MAX,
    };
    KEYS.iter()
        .map(|(known, _)| (strsim::osa_distance(key, known), *known))
        .filter(|(distance, known)| *distance <= edits_max(known) && *known != NEVER_ADVISED)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

pub(super) fn kind_of(key: &str) -> Option<KeyKind> {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::nearest_key;

    #[test]
    fn a_slip_of_the_pen_is_told_from_another_word() {
        for (typed, meant) in [
            ("reveiw", Some("review")),
            ("lokc", Some("lock")),
            ("ids", Some("id")),
            ("di", Some("id")),
            ("pr", None),
            ("idel_tiemout", Some("idle_timeout")),
            // Two edits make another word of a short one.
            ("tags", None),
            ("foo", None),
            ("clip", None),
            // Keys of other programs that read front matter.
            ("title", None),
            ("author", None),
            ("date", None),
            ("labels", None),
            ("yoloo", None),
            ("yol", None),
        ] {
            assert_eq!(nearest_key(typed), meant, "{typed}");
        }
    }
}

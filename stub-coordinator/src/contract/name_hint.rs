//! "Did you mean": the nearest known name for one that is mistyped.

/// The known name nearest to a mistyped one, where one is near enough to be meant.
pub(crate) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(typed, name), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The same as the end of a message; empty where none is near enough.
pub(crate) fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// A reader's message with the nearest of the names that it says it expected.
pub(crate) fn with_hint(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown "));
    match unknown.and_then(|typed| nearest(typed, quoted)) {
        Some(near) if !message.contains("did you mean") => format!("{message}; did you mean `{near}`?"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_where_it_is_near() {
        assert_eq!(
            nearest("shadow.clam", ["claim", "shadow.claim"]),
            Some("shadow.claim")
        );
        assert_eq!(nearest("zzzzzzzz", ["claim", "shadow.claim"]), None);
    }
}

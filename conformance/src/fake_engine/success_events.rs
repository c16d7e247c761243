//! What a fake engine prints where its scenario does not say: what the engine of that name printed in a success, as
//! `docs/check-engines.sh` recorded it.

/// Empty of an engine that tells no events.
pub fn success_events(tool: &str) -> &'static str {
    match tool {
        "claude" => include_str!("../../../docs/check-engines/shapes/claude.success.out"),
        "codex" => include_str!("../../../docs/check-engines/shapes/codex.success.out"),
        "gemini" => include_str!("../../../docs/check-engines/shapes/gemini.success.out"),
        "opencode" => include_str!("../../../docs/check-engines/shapes/opencode.success.out"),
        _ => "",
    }
}

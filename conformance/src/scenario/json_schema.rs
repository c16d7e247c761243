//! The JSON Schema of scenario files, generated from the types, for editors to complete and check by.

/// The schema as it is checked in beside the scenarios.
pub fn text() -> String {
    let schema = schemars::schema_for!(super::Scenario);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

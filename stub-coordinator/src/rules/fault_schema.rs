//! The schema of faults, for editors that complete and check.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::fault::{Fault, MalformedFault, SequenceEnd};

impl JsonSchema for Fault {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fault".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let step = generator.subschema_for::<Fault>();
        let ends: Vec<_> = SequenceEnd::ALL.iter().map(|(_, name)| *name).collect();
        let words: Vec<_> = Fault::WORDS.iter().map(|(word, _)| *word).collect();
        let malformed: Vec<_> = MalformedFault::ALL.iter().map(|(_, name)| *name).collect();
        let time = json!({"type": "string", "pattern": "^[+-]?([0-9]+(ms|s|m|h))+$"});
        let table = |properties: Value, required: &str| json!({"type": "object", "properties": properties, "required": [required], "additionalProperties": false});
        json_schema!({
            "description": "What goes wrong: a word, or a table with one leading key.",
            "oneOf": [
                {"enum": words},
                table(json!({"status": {"type": "integer", "minimum": 200, "maximum": 599}, "code": {"type": "string"}, "retry_after": time}), "status"),
                table(json!({"diverge": {"type": "object", "properties": {"job": {"type": "string"}, "patch": {}, "without": {"type": "string"}}, "additionalProperties": false}}), "diverge"),
                table(json!({"refuse": {"type": "string"}}), "refuse"),
                table(json!({"malformed": {"enum": malformed}}), "malformed"),
                table(json!({"redirect": {"type": "string"}}), "redirect"),
                table(json!({"delay": {}}), "delay"),
                table(json!({"gate": {"type": "string"}}), "gate"),
                table(json!({"dribble": {"type": "object", "properties": {"chunks": {"type": "integer"}, "over": time}, "additionalProperties": false}}), "dribble"),
                table(json!({"cut": {"type": "integer", "minimum": 0}}), "cut"),
                table(json!({"clock_skew": time}), "clock_skew"),
                {"type": "object", "properties": {"sequence": {"type": "array", "items": step, "minItems": 2}, "end": {"enum": ends}}, "required": ["sequence", "end"], "additionalProperties": false}
            ]
        })
    }
}

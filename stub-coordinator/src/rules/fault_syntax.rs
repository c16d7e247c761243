//! How a fault is written: one word, or a table with one leading key. Read and written here, with hints for what is
//! mistyped.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::fault::{DelayDistribution, DivergeFault, Fault, MalformedFault, SequenceEnd, StatusFault};
use crate::contract::name_hint::nearest;
use crate::contract::signed_duration::SignedDuration;

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FaultVisitor)
    }
}

struct FaultVisitor;

impl<'de> Visitor<'de> for FaultVisitor {
    type Value = Fault;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a fault: a word such as \"hang\", or a table such as { status = 503 }")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Fault, E> {
        word_fault(word).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Fault, A::Error> {
        let mut table = Map::new();
        while let Some((key, value)) = access.next_entry::<String, Value>()? {
            table.insert(key, value);
        }
        table_fault(table).map_err(de::Error::custom)
    }
}

fn word_fault(word: &str) -> Result<Fault, String> {
    if let Some((_, fault)) = Fault::WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(fault.clone());
    }
    if Fault::KEYS.contains(&word) {
        return Err(format!(
            "the fault `{word}` needs a value; write it as a table: {{ {word} = ... }}"
        ));
    }
    let known = Fault::WORDS.iter().map(|(word, _)| *word).chain(Fault::KEYS);
    Err(format!("no fault is called `{word}`{}", hint(word, known)))
}

fn table_fault(mut table: Map<String, Value>) -> Result<Fault, String> {
    let leading = Fault::KEYS.into_iter().find(|key| table.contains_key(*key));
    let Some(leading) = leading else {
        let first = table.keys().next().cloned().unwrap_or_default();
        return Err(format!(
            "no fault is led by the key `{first}`{}",
            hint(&first, Fault::KEYS)
        ));
    };
    let value = table.remove(leading).unwrap_or_default();
    let fault = match leading {
        "status" => Fault::Status(status_fault(value, &mut table)?),
        "diverge" => Fault::Diverge(diverge_fault(value)?),
        "refuse" => Fault::Refuse(text(leading, value)?),
        "malformed" => Fault::Malformed(malformed_fault(&text(leading, value)?)?),
        "redirect" => Fault::Redirect(text(leading, value)?),
        "delay" => Fault::Delay(delay_fault(value)?),
        "gate" => Fault::Gate(text(leading, value)?),
        "dribble" => dribble_fault(value)?,
        "cut" => Fault::Cut(value.as_u64().ok_or("`cut` must be a whole number of bytes")?),
        "sequence" => sequence_fault(value, &mut table)?,
        _ => Fault::ClockSkew(span(leading, value)?),
    };
    no_more(
        &table,
        leading,
        &["status", "code", "retry_after", "sequence", "end"],
    )?;
    Ok(fault)
}

fn sequence_fault(value: Value, table: &mut Map<String, Value>) -> Result<Fault, String> {
    let Value::Array(steps) = value else {
        return Err("`sequence` takes a list of faults".to_owned());
    };
    let step = |(at, step): (usize, Value)| {
        let fault = match step {
            Value::String(word) => word_fault(&word),
            Value::Object(table) => table_fault(table),
            _ => Err("it must be a word or a table".to_owned()),
        };
        fault.map_err(|error| format!("step {} of the sequence: {error}", at + 1))
    };
    let steps = steps
        .into_iter()
        .enumerate()
        .map(step)
        .collect::<Result<_, _>>()?;
    let names = || SequenceEnd::ALL.iter().map(|(_, name)| *name);
    let end = table
        .remove("end")
        .ok_or("a sequence says how it ends: `end` = \"hold\", \"wrap\" or \"pass\"")?;
    let end = text("end", end)?;
    let end = SequenceEnd::ALL
        .iter()
        .find(|(_, known)| *known == end)
        .map(|(end, _)| *end)
        .ok_or_else(|| {
            format!(
                "no sequence ends with `{end}`{}; use hold, wrap or pass",
                hint(&end, names())
            )
        })?;
    Ok(Fault::Sequence { steps, end })
}

fn status_fault(value: Value, table: &mut Map<String, Value>) -> Result<StatusFault, String> {
    let status = value
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (200..=599).contains(status))
        .ok_or("`status` must be a whole number from 200 to 599")?;
    let code = table.remove("code").map(|code| text("code", code)).transpose()?;
    let retry_after = table
        .remove("retry_after")
        .map(|time| span("retry_after", time))
        .transpose()?;
    Ok(StatusFault {
        status,
        code,
        retry_after,
    })
}

fn diverge_fault(value: Value) -> Result<DivergeFault, String> {
    let Value::Object(mut table) = value else {
        return Err(
            "`diverge` takes { job = \"ID\" }, { patch = {...} } or { without = \"MEMBER\" }".to_owned(),
        );
    };
    let given = ["job", "patch", "without"].map(|key| table.remove(key));
    let diverge = match given {
        [Some(job), None, None] => DivergeFault::Job(text("job", job)?),
        [None, Some(patch), None] => DivergeFault::Patch(patch),
        [None, None, Some(member)] => DivergeFault::Without(text("without", member)?),
        _ => return Err("`diverge` takes one of `job`, `patch` and `without`".to_owned()),
    };
    no_more(&table, "diverge", &["job", "patch", "without"])?;
    Ok(diverge)
}

fn malformed_fault(name: &str) -> Result<MalformedFault, String> {
    let names = || MalformedFault::ALL.iter().map(|(_, name)| *name);
    MalformedFault::ALL
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(kind, _)| *kind)
        .ok_or_else(|| format!("no answer is malformed as `{name}`{}", hint(name, names())))
}

fn delay_fault(value: Value) -> Result<DelayDistribution, String> {
    let mut table = match value {
        Value::Object(table) => table,
        fixed => return Ok(DelayDistribution::Fixed(span("delay", fixed)?)),
    };
    let delay = if let Some(bounds) = table.remove("uniform") {
        let Value::Array(bounds) = bounds else {
            return Err("`uniform` takes [\"LEAST\", \"MOST\"]".to_owned());
        };
        let [least, most]: [Value; 2] = bounds
            .try_into()
            .map_err(|_| "`uniform` takes [\"LEAST\", \"MOST\"]".to_owned())?;
        DelayDistribution::Uniform(span("uniform", least)?, span("uniform", most)?)
    } else if let Some(Value::Object(mut shape)) = table.remove("lognormal") {
        let mut part = |name: &str| {
            shape
                .remove(name)
                .ok_or(format!("`lognormal` needs `{name}`"))
                .and_then(|time| span(name, time))
        };
        let delay = DelayDistribution::LogNormal {
            median: part("median")?,
            p99: part("p99")?,
        };
        no_more(&shape, "lognormal", &["median", "p99"])?;
        delay
    } else {
        return Err("`delay` takes a time, { uniform = [..] } or { lognormal = {..} }".to_owned());
    };
    no_more(&table, "delay", &["uniform", "lognormal"])?;
    Ok(delay)
}

fn dribble_fault(value: Value) -> Result<Fault, String> {
    let Value::Object(mut table) = value else {
        return Err("`dribble` takes { chunks = N, over = \"TIME\" }".to_owned());
    };
    let chunks = table
        .remove("chunks")
        .and_then(|chunks| chunks.as_u64())
        .unwrap_or(0);
    let chunks = u32::try_from(chunks)
        .ok()
        .filter(|chunks| (1..=1_000).contains(chunks))
        .ok_or("`chunks` must be a whole number from 1 to 1000")?;
    let over = table.remove("over").ok_or("`dribble` needs `over`")?;
    let over = span("over", over)?;
    no_more(&table, "dribble", &["chunks", "over"])?;
    Ok(Fault::Dribble { chunks, over })
}

fn text(name: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(format!("`{name}` must be a string")),
    }
}

fn span(name: &str, value: Value) -> Result<SignedDuration, String> {
    value
        .as_str()
        .and_then(SignedDuration::parse)
        .ok_or_else(|| format!("`{name}` must be a length of time such as \"250ms\" or \"1m30s\""))
}

fn no_more(table: &Map<String, Value>, leading: &str, known: &[&str]) -> Result<(), String> {
    match table.keys().next() {
        Some(key) => Err(format!(
            "`{key}` does not go with `{leading}`{}",
            hint(key, known.iter().copied())
        )),
        None => Ok(()),
    }
}

fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

impl Fault {
    /// The fault as it is written in JSON.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Fault::Status(fault) => {
                let mut table = json!({"status": fault.status});
                if let Some(code) = &fault.code {
                    table["code"] = json!(code);
                }
                if let Some(time) = &fault.retry_after {
                    table["retry_after"] = json!(time);
                }
                table
            }
            Fault::Diverge(DivergeFault::Job(job)) => json!({"diverge": {"job": job}}),
            Fault::Diverge(DivergeFault::Patch(patch)) => json!({"diverge": {"patch": patch}}),
            Fault::Diverge(DivergeFault::Without(member)) => json!({"diverge": {"without": member}}),
            Fault::Refuse(code) => json!({"refuse": code}),
            Fault::Malformed(kind) => json!({"malformed": kind.name()}),
            Fault::Redirect(place) => json!({"redirect": place}),
            Fault::ClockSkew(span) => json!({"clock_skew": span}),
            Fault::Delay(DelayDistribution::Fixed(time)) => json!({"delay": time}),
            Fault::Delay(DelayDistribution::Uniform(least, most)) => {
                json!({"delay": {"uniform": [least, most]}})
            }
            Fault::Delay(DelayDistribution::LogNormal { median, p99 }) => {
                json!({"delay": {"lognormal": {"median": median, "p99": p99}}})
            }
            Fault::Gate(name) => json!({"gate": name}),
            Fault::Dribble { chunks, over } => json!({"dribble": {"chunks": chunks, "over": over}}),
            Fault::Cut(bytes) => json!({"cut": bytes}),
            Fault::Sequence { steps, end } => {
                let steps: Vec<_> = steps.iter().map(Fault::to_value).collect();
                json!({"sequence": steps, "end": end.name()})
            }
            word => json!(word.kind()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_value() {
            Value::String(word) => formatter.write_str(&word),
            table => write!(formatter, "{table}"),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

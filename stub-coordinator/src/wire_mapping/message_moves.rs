//! Where the values of one message go between the API and a dialect. What no rule names keeps its place, under the
//! dialect's name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::member_names::MemberNames;
use super::message_place::{MessageArea, MessageLeaf, MessagePlace, PlaceStep};
use super::value_conversion::text_of;

/// What a mapping writes for a place that the dialect does not have.
const NOWHERE: &str = "nowhere";

/// The rules for one request or one answer.
#[derive(Debug, Default)]
pub(super) struct MessageMoves {
    rules: Vec<MoveRule>,
    dialect_constants: Vec<MessageLeaf>,
    api_constants: Vec<MessageLeaf>,
}

#[derive(Debug)]
struct MoveRule {
    api: MessagePlace,
    /// None: the dialect does not tell it.
    dialect: Option<MessagePlace>,
}

impl MessageMoves {
    pub(super) fn new(
        moves: &BTreeMap<String, String>,
        dialect_constants: &BTreeMap<String, toml::Value>,
        api_constants: &BTreeMap<String, toml::Value>,
    ) -> Result<MessageMoves, String> {
        let mut rules = Vec::new();
        for (api, dialect) in moves {
            let dialect_place = match dialect.as_str() {
                NOWHERE => None,
                place => Some(MessagePlace::parse(place)?),
            };
            let rule = MoveRule {
                api: MessagePlace::parse(api)?,
                dialect: dialect_place,
            };
            let wildcards = rule.dialect.as_ref().map(MessagePlace::wildcards);
            if wildcards.is_some_and(|count| count != rule.api.wildcards()) {
                return Err(format!("`{api}` and `{dialect}` need as many `*` as each other"));
            }
            rules.push(rule);
        }
        Ok(MessageMoves {
            rules,
            dialect_constants: constants(dialect_constants)?,
            api_constants: constants(api_constants)?,
        })
    }

    /// The headers of the dialect, or of the API, that rules and constants name.
    pub(super) fn headers(&self, of_dialect: bool) -> impl Iterator<Item = &str> {
        let constants = match of_dialect {
            true => &self.dialect_constants,
            false => &self.api_constants,
        };
        let of_rules = self.rules.iter().filter_map(move |rule| {
            if of_dialect {
                rule.dialect.as_ref()
            } else {
                Some(&rule.api)
            }
        });
        of_rules
            .chain(constants.iter().map(|constant| &constant.place))
            .filter(|place| place.area == MessageArea::Header)
            .filter_map(MessagePlace::member)
    }

    /// Whether a rule or a constant fills this place of the API's message.
    pub(super) fn fills_api(&self, place: &MessagePlace) -> bool {
        let by_rule = self
            .rules
            .iter()
            .any(|rule| rule.api == *place && rule.dialect.is_some());
        by_rule || self.api_constants.iter().any(|constant| constant.place == *place)
    }

    /// Whether a rule or a constant fills this place of the dialect's message.
    pub(super) fn fills_dialect(&self, place: &MessagePlace) -> bool {
        let by_rule = self.rules.iter().any(|rule| rule.dialect.as_ref() == Some(place));
        by_rule
            || self
                .dialect_constants
                .iter()
                .any(|constant| constant.place == *place)
    }

    /// Whether the dialect does not tell what stands at this place of the API's message.
    pub(super) fn leaves_out(&self, place: &MessagePlace) -> bool {
        self.rule(place, |rule| Some(&rule.api))
            .is_some_and(|(rule, ..)| rule.dialect.is_none())
    }

    pub(super) fn to_dialect(&self, names: &MemberNames, leaves: Vec<MessageLeaf>) -> Vec<MessageLeaf> {
        let told = leaves
            .into_iter()
            .filter(|leaf| {
                !self
                    .api_constants
                    .iter()
                    .any(|constant| constant.place == leaf.place)
            })
            .filter_map(|leaf| {
                let value = names.conversion(leaf.place.member()).to_dialect(leaf.value);
                let place = match self.rule(&leaf.place, |rule| Some(&rule.api)) {
                    Some((rule, rest, indices)) => {
                        let rest = renamed(rest, |name| names.in_dialect(name));
                        rule.dialect.as_ref()?.filled(&indices, rest)
                    }
                    None => renamed_place(&leaf.place, |name| names.in_dialect(name)),
                };
                let value = match place.area {
                    MessageArea::Body => value,
                    _ => json!(text_of(&value)),
                };
                Some(MessageLeaf { place, value })
            });
        told.chain(self.dialect_constants.iter().cloned()).collect()
    }

    pub(super) fn to_api(&self, names: &MemberNames, leaves: Vec<MessageLeaf>) -> Vec<MessageLeaf> {
        let told = leaves
            .into_iter()
            .filter(|leaf| {
                !self
                    .dialect_constants
                    .iter()
                    .any(|constant| constant.place == leaf.place)
            })
            .map(|leaf| {
                let place = match self.rule(&leaf.place, |rule| rule.dialect.as_ref()) {
                    Some((rule, rest, indices)) => {
                        let rest = renamed(rest, |name| names.in_api(name));
                        rule.api.filled(&indices, rest)
                    }
                    None => renamed_place(&leaf.place, |name| names.in_api(name)),
                };
                let conversion = names.conversion(place.member());
                let value = match (&leaf.value, leaf.place.area) {
                    (Value::String(text), MessageArea::Path | MessageArea::Query | MessageArea::Header) => {
                        conversion.read_text(text)
                    }
                    _ => leaf.value,
                };
                let value = conversion.to_api(value);
                let value = match place.area {
                    MessageArea::Body => value,
                    _ => json!(text_of(&value)),
                };
                MessageLeaf { place, value }
            });
        told.chain(self.api_constants.iter().cloned()).collect()
    }

    /// The rule that reaches deepest towards a place, what is left below it, and the indices of its `*`.
    fn rule<'a>(
        &'a self,
        place: &'a MessagePlace,
        side: impl Fn(&'a MoveRule) -> Option<&'a MessagePlace>,
    ) -> Option<(&'a MoveRule, &'a [PlaceStep], Vec<usize>)> {
        let fits = self.rules.iter().filter_map(|rule| {
            let (rest, indices) = side(rule)?.prefix_of(place)?;
            Some((rule, rest, indices))
        });
        fits.min_by_key(|(_, rest, _)| rest.len())
    }
}

fn constants(of: &BTreeMap<String, toml::Value>) -> Result<Vec<MessageLeaf>, String> {
    of.iter()
        .map(|(place, value)| {
            let place = MessagePlace::parse(place)?;
            if place.wildcards() > 0 {
                return Err(format!("`{place}`: a constant has one place"));
            }
            let value = serde_json::to_value(value).map_err(|error| format!("`{place}`: {error}"))?;
            Ok(MessageLeaf { place, value })
        })
        .collect()
}

/// Names of paths and headers are no members.
fn renamed_place(place: &MessagePlace, name: impl Fn(&str) -> String) -> MessagePlace {
    match place.area {
        MessageArea::Body | MessageArea::Query => MessagePlace {
            area: place.area,
            steps: renamed(&place.steps, name),
        },
        MessageArea::Path | MessageArea::Header => place.clone(),
    }
}

fn renamed(steps: &[PlaceStep], name: impl Fn(&str) -> String) -> Vec<PlaceStep> {
    steps
        .iter()
        .map(|step| match step {
            PlaceStep::Member(member) => PlaceStep::Member(name(member)),
            other => other.clone(),
        })
        .collect()
}

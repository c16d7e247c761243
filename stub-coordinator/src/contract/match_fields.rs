//! Of whom a request can speak: the four fields by which rules choose requests, and questions to the journal
//! exchanges. What has them is made here, so that both always know the same ones.

/// What a request says that it can be matched by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RequestFacts<'a> {
    pub(crate) factory: Option<&'a str>,
    pub(crate) job: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) lease: Option<&'a str>,
}

impl<'a> RequestFacts<'a> {
    /// In the order factory, job, stage, lease.
    pub(crate) fn match_values(&self) -> [Option<&'a str>; 4] {
        [self.factory, self.job, self.stage, self.lease]
    }
}

/// A struct with these fields beside its own, all of them optional, and `facts`, which lends them.
macro_rules! match_fields {
    ($(#[$meta:meta])* $visible:vis struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $visible struct $name {
            $($own)*
            /// The factory that asks.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub factory: Option<String>,
            /// The job that it speaks of.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub job: Option<String>,
            /// The stage that it reports.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stage: Option<String>,
            /// The lease that it holds.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub lease: Option<String>,
        }

        impl $name {
            /// What a request says that says no more than this.
            pub(crate) fn facts(&self) -> $crate::contract::match_fields::RequestFacts<'_> {
                $crate::contract::match_fields::RequestFacts {
                    factory: self.factory.as_deref(),
                    job: self.job.as_deref(),
                    stage: self.stage.as_deref(),
                    lease: self.lease.as_deref(),
                }
            }
        }
    };
}

pub(crate) use match_fields;

/// Whether all that is wanted is said.
pub(crate) fn all_match(wanted: [Option<&str>; 4], said: [Option<&str>; 4]) -> bool {
    let mut pairs = wanted.into_iter().zip(said);
    pairs.all(|(wanted, said)| wanted.is_none() || wanted == said)
}

//! Of whom a request can speak: the four fields by which rules choose requests, and questions to the journal
//! exchanges. What has them is made here, so that both always know the same ones.

/// A struct with these fields beside its own, all of them optional, and `match_values`, which lists them.
macro_rules! match_fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
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
            /// What it asks for, in the order factory, job, stage, lease.
            pub(crate) fn match_values(&self) -> [Option<&str>; 4] {
                [&self.factory, &self.job, &self.stage, &self.lease].map(Option::as_deref)
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

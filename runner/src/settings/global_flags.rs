//! The settings as command-line flags, each with help that names its variable. What they mean is decided elsewhere.

use std::path::PathBuf;

/// Above the settings that are about the coordinator.
pub(crate) const FLEET_HEADING: &str = "Fleet";

/// Flags that every command takes; a flag wins over its variable, and that over `aq.toml`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct GlobalFlags {
    /// The queue folder [variable: AQ_QUEUE; default: ./queue]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Settings")]
    pub(crate) queue: Option<PathBuf>,

    /// How long a job that must end has between TERM and KILL [variable: AQ_GRACE; default: 10s]
    #[arg(long, global = true, value_name = "TIME", help_heading = "Settings")]
    pub(crate) grace: Option<String>,

    /// Master switch of the fleet; 0: not one call to the coordinator [variable: AQ_FLEET; default: 0]
    #[arg(long, global = true, value_name = "0|1", help_heading = FLEET_HEADING)]
    pub(crate) fleet: Option<String>,

    /// With --fleet 1: the coordinator assigns the work, within what [route] in aq.toml allows [variable: AQ_FLEET_ROUTE; default: 0]
    #[arg(long, global = true, value_name = "0|1", help_heading = FLEET_HEADING)]
    pub(crate) route: Option<String>,

    /// With --fleet 1 and --route 0: compare each local decision with the coordinator's
    /// [variable: AQ_FLEET_SHADOW; default: 0]
    #[arg(long, global = true, value_name = "0|1", help_heading = FLEET_HEADING)]
    pub(crate) shadow: Option<String>,

    /// Where the coordinator is, a path prefix included [variable: AQ_FLEET_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = FLEET_HEADING)]
    pub(crate) fleet_url: Option<String>,

    /// A file that holds the coordinator's token, which others should not be able to read (`chmod 600 FILE`)
    /// [variable: AQ_FLEET_TOKEN_FILE, or AQ_FLEET_TOKEN for the token itself]
    #[arg(long, global = true, value_name = "FILE", help_heading = FLEET_HEADING)]
    pub(crate) fleet_token_file: Option<PathBuf>,

    /// A PEM file with certificates to trust besides the system's [variable: AQ_FLEET_CA]
    #[arg(long, global = true, value_name = "FILE", help_heading = FLEET_HEADING)]
    pub(crate) fleet_ca: Option<PathBuf>,

    /// Trust the certificates of --fleet-ca alone, in place of the system's [variable: AQ_FLEET_CA_ONLY; default: 0]
    #[arg(long, global = true, value_name = "0|1", help_heading = FLEET_HEADING)]
    pub(crate) fleet_ca_only: Option<String>,

    /// With --route 1: take work over plain http from another host. Who can read the way has the token and the jobs, and
    /// who can change an answer runs commands here [variable: AQ_FLEET_INSECURE; default: 0]
    #[arg(long, global = true, value_name = "0|1", help_heading = FLEET_HEADING)]
    pub(crate) fleet_insecure: Option<String>,

    /// Limit of one call to the coordinator [variable: AQ_FLEET_TIMEOUT; default: 5s]
    #[arg(long, global = true, value_name = "TIME", help_heading = FLEET_HEADING)]
    pub(crate) fleet_timeout: Option<String>,

    /// How long an ending runner waits for the shadow lane [variable: AQ_FLEET_DRAIN; default: 5s]
    #[arg(long, global = true, value_name = "TIME", help_heading = FLEET_HEADING)]
    pub(crate) fleet_drain: Option<String>,

    /// This factory's name for the coordinator [variable: AQ_FACTORY_ID; default: the host's name]
    #[arg(long, global = true, value_name = "ID", help_heading = FLEET_HEADING)]
    pub(crate) factory_id: Option<String>,

    /// What this factory can do, separated by commas; each engine found adds engine:NAME
    /// [variable: AQ_FACTORY_CAPS]
    #[arg(long, global = true, value_name = "CAP,...", help_heading = FLEET_HEADING)]
    pub(crate) factory_caps: Option<String>,
}

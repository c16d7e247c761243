//! The settings that exist, by their names on the command line, in the environment and in `aq.toml`.

/// The names of one setting in the three places; empty where a place doesn't know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettingKey {
    pub(crate) flag: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) file: &'static str,
}

macro_rules! keys {
    ($($name:ident = $flag:literal, $variable:literal, $file:literal;)*) => {
        $(pub(crate) const $name: SettingKey = SettingKey { flag: $flag, variable: $variable, file: $file };)*
        /// All settings, in the order in which they are explained.
        pub(crate) const ALL: &[SettingKey] = &[$($name),*];
    };
}

keys! {
    QUEUE = "--queue", "AQ_QUEUE", "";
    GRACE = "--grace", "AQ_GRACE", "grace";
    FLEET = "--fleet", "AQ_FLEET", "fleet.enabled";
    ROUTE = "--route", "AQ_FLEET_ROUTE", "fleet.route_via_service";
    SHADOW = "--shadow", "AQ_FLEET_SHADOW", "fleet.shadow";
    URL = "--fleet-url", "AQ_FLEET_URL", "fleet.url";
    TOKEN = "", "AQ_FLEET_TOKEN", "";
    TOKEN_FILE = "--fleet-token-file", "AQ_FLEET_TOKEN_FILE", "fleet.token_file";
    CA = "--fleet-ca", "AQ_FLEET_CA", "fleet.ca";
    CA_ONLY = "--fleet-ca-only", "AQ_FLEET_CA_ONLY", "fleet.ca_only";
    INSECURE = "--fleet-insecure", "AQ_FLEET_INSECURE", "fleet.insecure";
    TIMEOUT = "--fleet-timeout", "AQ_FLEET_TIMEOUT", "fleet.timeout";
    DRAIN = "--fleet-drain", "AQ_FLEET_DRAIN", "fleet.drain";
    ROLLBACK = "", "", "fleet.rollback";
    ROLLBACK_AFTER = "", "", "fleet.rollback_after";
    FACTORY_ID = "--factory-id", "AQ_FACTORY_ID", "fleet.factory_id";
    FACTORY_CAPS = "--factory-caps", "AQ_FACTORY_CAPS", "fleet.caps";
    RETRY_DELAY = "", "", "run.retry_delay";
    LOG_MAX = "", "", "run.log_max";
    NOTIFY_COMMAND = "", "", "notify.command";
    NOTIFY_EVENTS = "", "", "notify.events";
    NOTIFY_TIMEOUT = "", "", "notify.timeout";
    METRICS_ENABLED = "", "", "metrics.enabled";
    METRICS_FILE = "", "", "metrics.file";
    SHADOW_SIZE = "", "", "log.shadow_size";
    SHADOW_AGE = "", "", "log.shadow_age";
    GATE_POLICY = "", "", "gate.policy";
    GATE_AGREEMENT = "", "", "gate.agreement";
    GATE_RISK = "", "", "gate.risk";
    GATE_SPAN = "", "", "gate.span";
    GATE_STRATUM = "", "", "gate.stratum_agreement";
    GATE_COVERAGE = "", "", "gate.coverage";
    GATE_WORST_CASE = "", "", "gate.worst_case";
    GATE_UNEXPLAINED = "", "", "gate.unexplained";
    ALLOW_ENGINES = "", "", "route.allow_engines";
    ALLOW_COMMANDS = "", "", "route.allow_commands";
    ALLOW_YOLO = "", "", "route.allow_yolo";
    ROUTE_CWD = "", "", "route.cwd";
    ALLOW_CWD = "", "", "route.allow_cwd";
}

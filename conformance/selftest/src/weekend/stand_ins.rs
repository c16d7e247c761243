//! The programs that stand in place of engines, `verify` and `ship`. Each of them writes a line at its start and one at
//! its end into one file outside the queue: what was run does not depend on what the runner says.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The variable with the folder of a weekend.
pub(super) const FOLDER_VARIABLE: &str = "AQ_WEEKEND";
/// The file in that folder.
pub(super) const EVIDENCE: &str = "evidence";

/// What all of them begin with. A line is one `write(2)` in append mode. A process is known by its id and its start, and
/// one that waits to be collected is over.
const COMMON: &str = r#"#!/bin/sh
id=$AQ_JOB_ID attempt=$AQ_ATTEMPT
note() { echo "$*" >> "$AQ_WEEKEND/evidence"; }
alone() {
  read -r stat < /proc/$$/stat; set -- "$1" ${stat##*) }; begun=${21}
  if [ -e "$AQ_WEEKEND/live/$1" ] && read -r pid since < "$AQ_WEEKEND/live/$1" && [ "$pid $since" != "$$ $begun" ] &&
    { read -r stat < "/proc/$pid/stat"; } 2>/dev/null; then
    set -- "$1" ${stat##*) }
    case "$2 ${21}" in [ZX]*) ;; *" $since") note "overlap $id $step $attempt $1";; esac
  fi
  echo "$$ $begun" > "$AQ_WEEKEND/live/$1"
}
begin() {
  step=$1
  IFS=' ' read -r fails verify seconds lock < "$AQ_WEEKEND/plans/$id" || { note "broken $id $step $attempt"; exit 97; }
  alone "$id"
  [ "$lock" = - ] || [ "$step" = ship ] || alone "lock-$lock"
  note "start $id $step $attempt"
}
finish() { note "end $id $step $attempt $1"; }
"#;

/// An engine of this name. Whoever ends its work may end the `sleep` first. `event success|failed|login|limit` prints what the real one tells then.
const ENGINE: &str = r#"
case "$1 $2" in 'auth status'|'login status') [ ! -e "$AQ_WEEKEND/login/$engine" ]; exit;; esac
begin engine
if [ -e "$AQ_WEEKEND/login/$engine" ]; then finish login; event login; exit 1; fi
if [ -e "$AQ_WEEKEND/limit/$engine" ]; then
  read -r reset < "$AQ_WEEKEND/limit/$engine"; finish limit; event limit; exit 1
fi
case $seconds in 0.000) ;; *) sleep "$seconds" || exit;; esac
tries=0
[ -e "$AQ_WEEKEND/tries/$id" ] && read -r tries < "$AQ_WEEKEND/tries/$id"
if [ "$fails" = always ] || [ "$tries" -lt "$fails" ]; then
  echo $((tries + 1)) > "$AQ_WEEKEND/tries/$id"
  finish failed; event failed; exit 3
fi
finish ok; event success
exit 0
"#;

const CLAUDE: &str = r#"engine=claude
told() { echo '{"type":"assistant","message":{"content":[{"type":"text","text":"'"$2"'"}]},"error":"'"$1"'"}'; }
result() { echo '{"type":"result","subtype":"success","is_error":'"$1"',"result":"'"$2"'","api_error_status":'"$3"'}'; }
event() {
  case $1 in
    success) result false Done. null;;
    failed) told server_error 'The test fails.'; result true 'The test fails.' 500;;
    login) told authentication_failed 'Please run /login'; result true 'Invalid API key. Please run /login' 401;;
    limit)
      echo '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":'"$reset"'}}'
      told rate_limit 'Limit reached'; result true "You've hit your session limit" 429;;
  esac
}"#;

const CODEX: &str = r#"engine=codex
failed() { echo '{"type":"turn.failed","error":{"message":"'"$1"'"}}'; }
event() {
  case $1 in
    success)
      echo '{"type":"item.completed","item":{"type":"agent_message","text":"Done."}}'; echo '{"type":"turn.completed"}';;
    failed) failed 'The test fails.';;
    login) failed 'unexpected status 401 Unauthorized';;
    limit) failed "You've hit your usage limit. Try again in 2 seconds.";;
  esac
}"#;

/// It has no question for its login, so its words are believed.
const GEMINI: &str = r#"engine=gemini
failed() { echo '{"type":"result","status":"error","error":{"message":"'"$1"'"}}'; }
event() {
  case $1 in
    success)
      echo '{"type":"message","role":"assistant","content":"Done."}'; echo '{"type":"result","status":"success"}';;
    failed) failed 'The test fails.';;
    login) failed 'API key not valid. Please pass a valid API key.';;
    limit) failed 'You have exhausted your daily quota. Try again in 2 seconds.';;
  esac
}"#;

/// The engine of shell scripts starts this one, which has no words of its own.
const SCRIPT: &str = "engine=script\nevent() { :; }";

const VERIFY: &str = "begin verify\nif [ \"$verify\" = fails ]; then finish failed; exit 1; fi\nfinish ok\n";
const SHIP: &str = "begin ship\nfinish ok\n";

/// The engines that can lose their login and be used up.
pub(super) const ENGINES: [&str; 3] = ["claude", "codex", "gemini"];

/// Puts all of them into the folder `bin`.
pub(super) fn install(root: &Path) -> io::Result<()> {
    for engine in ENGINES {
        install_engine(root, engine)?;
    }
    write(root, "weekend-work", &format!("{COMMON}{SCRIPT}{ENGINE}"))?;
    write(root, "weekend-verify", &format!("{COMMON}{VERIFY}"))?;
    write(root, "weekend-ship", &format!("{COMMON}{SHIP}"))
}

/// The program of an engine, also after something else has taken its place.
pub(super) fn install_engine(root: &Path, engine: &str) -> io::Result<()> {
    let words = match engine {
        "claude" => CLAUDE,
        "codex" => CODEX,
        _ => GEMINI,
    };
    write(root, engine, &format!("{COMMON}{words}{ENGINE}"))
}

/// What is no program of this system takes its place, as a broken update leaves it.
pub(super) fn break_engine(root: &Path, engine: &str) -> io::Result<()> {
    write(root, engine, "#!/no/such/interpreter\n")
}

/// In one step: nobody may find half of it.
fn write(root: &Path, name: &str, script: &str) -> io::Result<()> {
    let (path, scratch) = (
        root.join("bin").join(name),
        root.join("bin").join(format!(".{name}")),
    );
    fs::write(&scratch, script)?;
    fs::set_permissions(&scratch, fs::Permissions::from_mode(0o755))?;
    fs::rename(scratch, path)
}
